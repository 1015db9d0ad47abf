// Searches over weights that ranks share, on devices: the verdicts of one CPU.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <memory>
#include <string>

#include "../hard_queries.h"
#include "base/resources.h"
#include "bound/ranks/leader.h"
#include "bound/ranks/server.h"
#include "comm/threads.h"
#include "graph/sharded.h"
#include "on_gpu.h"
#include "outputs.h"
#include "search/prepared.h"
#include "search/ranks/shared_turn.h"
#include "search/verify.h"

namespace coronet::search {
namespace {

constexpr double kSeconds = 60;

/// As a rank other than the leader; refers to what the leader refers to by itself.
void serve(comm::Communicator& group, const Graph& graph, const Options& options) {
  Workers workers(1);
  const Deadline never(HUGE_VAL);
  Tracer silent;
  const auto accelerator = bound::open_accelerator(options, graph);
  bound::ServerSettings settings;
  settings.program = "test";
  settings.workers = workers.size();
  settings.accelerator = accelerator.get();
  settings.make = [&](const Graph& of) {
    auto made = std::make_shared<Prepared>(of, options, workers, never, silent, accelerator.get());
    return std::shared_ptr<bound::Context>(made, &made->context);
  };
  settings.search = [&](comm::Communicator& ranks, bound::Context& context,
                        const comm::Bytes& order) {
    take_part(ranks, context, order, ~std::uint64_t{0});
  };
  bound::serve_rows(group, graph, settings);
}

/// The leader's result; the reports are asked for when the search and its device are gone.
Result run(int ranks, const test::Query& query, bool shared) {
  Result result;
  comm::run_threads(comm::thread_channels(ranks), [&](comm::Channel& channel) {
    comm::Communicator group(channel);
    Graph graph = query.graph;
    std::unique_ptr<ShardedWeights> weights;
    if (shared) weights = std::make_unique<ShardedWeights>(graph, group);
    Options options = query.options;
    options.timeout = elapsed_seconds() + kSeconds;
    if (group.rank() != 0) {
      serve(group, graph, options);
      return;
    }
    Tracer silent;
    bound::Ranks all(group, graph, "test", 1, bound::Ranks::kWorthDealing, weights.get());
    result = verify(graph, query.property, test::as_exact(query.graph), options, silent, {}, &all);
    all.end();
    result.ranks = all.reports();
  });
  return result;
}

TEST(CudaSearchRanks, VerdictsAreThoseOfOneCpu) {
  SKIP_WITHOUT_DEVICE();
  int worked = 0;  // ranks other than the leader that bounded domains, of all runs
  constexpr double kRadius = 0.1;
  const Graph graph = test::mlp(0, 10, 3, 128, 2);
  const double least = test::least_value(graph, kRadius, 0);
  const double root = test::bound_at_root(graph, kRadius, 0);
  for (const bool holds : {true, false}) {
    const double value = holds ? least - 0.65 * (least - root) : least + 0.02;
    test::Query query{"mlp", graph, test::at_least(graph, kRadius, 0, value),
                      test::options_of("relu")};
    query.options.batch = 64;
    query.options.attack = !holds;
    const Result here = run(1, query, false);
    ASSERT_EQ(here.verdict, holds ? Verdict::kHolds : Verdict::kViolated) << here.reason;
    query.options.device = "cuda";
    query.options.device_memory_mib = 1024;
    for (const bool shared : {true, false}) {
      for (const int ranks : {1, 2, 3}) {
        SCOPED_TRACE(testing::Message()
                     << "holds " << holds << ", shared " << shared << ", " << ranks << " ranks");
        const Result there = run(ranks, query, shared);
        EXPECT_EQ(there.verdict, here.verdict) << there.reason;
        test::expect_honest(query.graph, query.property, there);
        ASSERT_EQ(there.ranks.size(), static_cast<std::size_t>(ranks));
        EXPECT_GT(there.ranks[0].device_bytes, 0U);
        for (int r = 1; r < ranks; ++r) worked += there.ranks[r].domains > 0 ? 1 : 0;
      }
    }
  }
  EXPECT_GT(worked, 0);
}

}  // namespace
}  // namespace coronet::search
