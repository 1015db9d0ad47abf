// Rows dealt over ranks that each have a device: the bits of one rank's.
#include <gtest/gtest.h>

#include <string>

#include "../rank_cases.h"
#include "comm/threads.h"
#include "on_gpu.h"

namespace coronet::bound {
namespace {

/// An engine whose rows are bounded on the device in many chunks, however small the network.
struct DeviceEngine : test::OnGpu {
  explicit DeviceEngine(const Graph& graph) : OnGpu(graph, "tf32", 0.05) {}
};

Root root_of(Context& context, const test::RankCase& c) {
  RootSettings settings;
  settings.method = c.method;
  settings.iterations = 12;
  settings.all_neurons = true;
  return bound_root(context, c.box.lower, c.box.upper, settings);
}

TEST(CudaRanks, BoundsHaveTheBitsOfOneRank) {
  SKIP_WITHOUT_DEVICE();
  std::int64_t others =
      0;  // rows that were not the leader's, of all cases: a small one is one chunk
  for (const test::RankCase& c : test::rank_cases()) {
    DeviceEngine alone(c.graph);
    const Root one = root_of(alone.engine.context, c);
    for (const int ranks : {2, 3}) {
      SCOPED_TRACE(c.name + ", " + std::to_string(ranks) + " ranks");
      comm::run_threads(comm::thread_channels(ranks), [&](comm::Channel& channel) {
        comm::Communicator group(channel);
        DeviceEngine mine(c.graph);
        if (group.rank() != 0) {
          ServerSettings settings;
          settings.program = "test";
          settings.workers = mine.engine.workers.size();
          settings.accelerator = mine.accelerator.get();
          settings.make = [&](const Graph& graph) {
            const auto made = std::make_shared<DeviceEngine>(graph);
            return std::shared_ptr<Context>(made, &made->engine.context);
          };
          serve_rows(group, c.graph, settings);
          return;
        }
        Ranks all(group, c.graph, "test", mine.engine.workers.size(), 0);
        const auto dealt = all.whole(mine.engine.context, mine.accelerator.get());
        mine.engine.context.ranks = dealt.get();
        const Root root = root_of(mine.engine.context, c);
        all.end();
        EXPECT_EQ(root.bounds.lo, one.bounds.lo);
        EXPECT_EQ(root.bounds.hi, one.bounds.hi);
        for (std::size_t r = 1; r < all.reports().size(); ++r) others += all.reports()[r].rows;
        EXPECT_GT(all.reports()[0].device_bytes, 0);
      });
    }
  }
  EXPECT_GT(others, 0);
}

}  // namespace
}  // namespace coronet::bound
