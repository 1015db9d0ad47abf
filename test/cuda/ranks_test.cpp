// Rows dealt over ranks that each have a device: the bits of one rank's.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "../rank_cases.h"
#include "comm/threads.h"
#include "on_gpu.h"

namespace coronet::bound {
namespace {

using test::Engine;

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

/// As all ranks: rank 0 leads, counts the rows of the others and compares with what one rank found.
void expect_root(comm::Communicator& group, const Graph& graph, const test::RankCase& c,
                 const Root& one, std::int64_t& others) {
  DeviceEngine mine(graph);
  if (group.rank() != 0) {
    ServerSettings settings;
    settings.program = "test";
    settings.workers = mine.engine.workers.size();
    settings.accelerator = mine.accelerator.get();
    settings.make = [&](const Graph& of) {
      const auto made = std::make_shared<DeviceEngine>(of);
      return std::shared_ptr<Context>(made, &made->engine.context);
    };
    serve_rows(group, graph, settings);
    return;
  }
  Ranks all(group, graph, "test", mine.engine.workers.size(), 0);
  const auto dealt = all.whole(mine.engine.context, mine.accelerator.get());
  mine.engine.context.ranks = dealt.get();
  const Root root = root_of(mine.engine.context, c);
  all.end();
  EXPECT_EQ(root.bounds.lo, one.bounds.lo);
  EXPECT_EQ(root.bounds.hi, one.bounds.hi);
  for (std::size_t r = 1; r < all.reports().size(); ++r) others += all.reports()[r].rows;
  EXPECT_GT(all.reports()[0].device_bytes, 0);
}

/// Wide enough for weights of several tiles; float64 for an odd seed.
test::RankCase wide_case(std::uint64_t seed, Method method) {
  const Graph graph = test::mlp(seed, 20, 2, 801, 5);
  test::Draw draw(seed);
  return {"wide " + std::to_string(seed), graph, test::TestBox(draw, graph.inputs(), 0.05), method};
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
        expect_root(group, c.graph, c, one, others);
      });
    }
  }
  EXPECT_GT(others, 0);
}

TEST(CudaRanks, SharedWeightsHaveTheBitsOfAnyNumberOfRanks) {
  SKIP_WITHOUT_DEVICE();
  std::vector<test::RankCase> cases = test::rank_cases();
  for (const std::uint64_t seed : {2, 3}) {
    for (const Method method : {Method::kCrown, Method::kAlpha}) {
      cases.push_back(wide_case(seed, method));
    }
  }
  std::int64_t others = 0;
  for (const test::RankCase& c : cases) {
    test::RankCase shared = c;
    const ShardedWeights weights(shared.graph);
    DeviceEngine alone(shared.graph);
    const Root one = root_of(alone.engine.context, c);
    if (c.method == Method::kCrown) {
      SCOPED_TRACE(c.name);
      Engine cpu(c.graph);
      test::expect_near(one.bounds, root_of(cpu.context, c).bounds, 1e-9);
    }
    for (const int ranks : {1, 2, 3, 4}) {
      SCOPED_TRACE(c.name + ", " + std::to_string(ranks) + " ranks");
      comm::run_threads(comm::thread_channels(ranks), [&](comm::Channel& channel) {
        comm::Communicator group(channel);
        Graph graph = c.graph;
        const ShardedWeights mine(graph, group);
        expect_root(group, graph, c, one, others);
      });
    }
  }
  EXPECT_GT(others, 0);
}
}  // namespace
}  // namespace coronet::bound
