// Rows dealt over ranks: the same bits as one rank's, whatever their number and the transport.
#include "rank_cases.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "base/error.h"
#include "bound/accelerator.h"
#include "comm/threads.h"
#include "graph/fingerprint.h"

namespace coronet::bound {
namespace {

void on_threads(int ranks, const std::function<void(comm::Communicator&)>& f) {
  comm::run_threads(comm::thread_channels(ranks), [&](comm::Channel& channel) {
    comm::Communicator group(channel);
    f(group);
  });
}

TEST(Ranks, BoundsHaveTheBitsOfOneRank) {
  bool reduced = false;
  for (const test::RankCase& c : test::rank_cases()) {
    const test::RankResult one = test::bound_alone(c);
    reduced |= !one.after_reduce.empty();
    for (const int ranks : {1, 2, 3, 4, 8}) {
      SCOPED_TRACE(c.name + ", " + std::to_string(ranks) + " ranks");
      on_threads(ranks, [&](comm::Communicator& group) { test::expect_same(group, c, one); });
    }
  }
  EXPECT_TRUE(reduced) << "no graph lost its dead neurons: nothing was told to the ranks";
}

/// A device that only tells its memory.
class MemoryOnly final : public Accelerator {
 public:
  std::unique_ptr<RowDevice> prepare(const Network<double>& /*net*/,
                                     Workers& /*workers*/) override {
    throw Error(ErrorKind::kInternal, "nothing is bounded here");
  }
  std::unique_ptr<RowDevice> prepare_share(const SharedNetwork& /*net*/,
                                           Workers& /*workers*/) override {
    throw Error(ErrorKind::kInternal, "nothing is bounded here");
  }
  [[nodiscard]] std::string name() const override { return "memory"; }
  [[nodiscard]] std::map<std::string, std::uint64_t> memory() const override {
    return {{"total", 123}};
  }
};

/// `coronet verify` asks for them at its end, when its device is gone.
TEST(Ranks, ReportsOutliveTheDevice) {
  const test::RankCase c = test::rank_cases().front();
  on_threads(1, [&](comm::Communicator& group) {
    test::RankEngine engine(c.graph);
    Ranks ranks(group, c.graph, "test", 1);
    auto device = std::make_unique<MemoryOnly>();
    auto rows = ranks.whole(engine.engine.context, device.get());
    EXPECT_EQ(ranks.reports().front().device_bytes, 123U);
    rows.reset();
    device.reset();
    EXPECT_EQ(ranks.reports().front().device_bytes, 123U);
  });
}

TEST(Ranks, AnotherNetworkIsRefused) {
  const Graph a = test::mlp(1, 4, 3, 9, 3, 0, false);
  Graph b = a;
  std::get<Dense>(b.nodes[1].op).bias.back() += 1e-9;
  EXPECT_EQ(fingerprint(a), fingerprint(Graph(a)));
  EXPECT_NE(fingerprint(a), fingerprint(b));
  try {
    on_threads(3, [&](comm::Communicator& group) {
      (void)meet(group, group.rank() == 2 ? b : a, "test", 1);
    });
    ADD_FAILURE() << "no error";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kBadInput);
    EXPECT_NE(std::string(e.what()).find("rank 2"), std::string::npos) << e.what();
  }
}

/// A rank that fails while others bound rows ends the leader's call, with its own kind and words.
TEST(Ranks, ARankThatFailsEndsAll) {
  const test::RankCase c = test::rank_cases().front();
  for (const int faulty : {1, 3}) {
    try {
      on_threads(4, [&](comm::Communicator& group) {
        test::RankEngine engine(c.graph);
        if (group.rank() == 0) {
          (void)test::bound_leading(group, c, engine);
        } else {
          ServerSettings settings = test::server_settings(engine);
          if (group.rank() == faulty) settings.memory_bytes = 1;
          serve_rows(group, c.graph, settings);
        }
      });
      ADD_FAILURE() << "no error";
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::kOutOfMemory) << e.what();
      EXPECT_NE(std::string(e.what()).find("rank " + std::to_string(faulty) + " failed"),
                std::string::npos)
          << e.what();
    }
  }
}

}  // namespace
}  // namespace coronet::bound
