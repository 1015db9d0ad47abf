// Rows dealt over ranks that each have a device: the bits of one rank's.
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
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

Root root_of(Context& context, const test::TestBox& box, Method method) {
  RootSettings settings;
  settings.method = method;
  settings.iterations = 12;
  settings.all_neurons = true;
  return bound_root(context, box.lower, box.upper, settings);
}

/// As all ranks: by each method, what rank 0 finds, which leads; the others find nothing. Counts
/// the rows of the others.
std::vector<Root> roots_of(comm::Communicator& group, const Graph& graph, const test::TestBox& box,
                           const std::vector<Method>& methods, std::int64_t& others) {
  DeviceEngine mine(graph);
  std::vector<Root> roots;
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
    return roots;
  }
  Ranks all(group, graph, "test", mine.engine.workers.size(), 0);
  const auto dealt = all.whole(mine.engine.context, mine.accelerator.get());
  mine.engine.context.ranks = dealt.get();
  for (const Method method : methods) roots.push_back(root_of(mine.engine.context, box, method));
  all.end();
  for (std::size_t r = 1; r < all.reports().size(); ++r) others += all.reports()[r].rows;
  EXPECT_GT(all.reports()[0].device_bytes, 0);
  return roots;
}

/// The same for threads of this process, which share the weights or have all of them each.
std::vector<Root> roots_of(int ranks, const Graph& graph, const test::TestBox& box,
                           const std::vector<Method>& methods, bool shared, std::int64_t& others) {
  std::vector<Root> roots;
  comm::run_threads(comm::thread_channels(ranks), [&](comm::Channel& channel) {
    comm::Communicator group(channel);
    Graph mine = graph;
    std::optional<ShardedWeights> weights;
    if (shared) weights.emplace(mine, group);
    std::vector<Root> found = roots_of(group, mine, box, methods, others);
    if (group.rank() == 0) roots = std::move(found);
  });
  return roots;
}

void expect_same(const Root& root, const Root& one) {
  EXPECT_EQ(root.bounds.lo, one.bounds.lo);
  EXPECT_EQ(root.bounds.hi, one.bounds.hi);
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
    const Root one = root_of(alone.engine.context, c.box, c.method);
    for (const int ranks : {2, 3}) {
      SCOPED_TRACE(c.name + ", " + std::to_string(ranks) + " ranks");
      expect_same(roots_of(ranks, c.graph, c.box, {c.method}, false, others).at(0), one);
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
    const Root one = root_of(alone.engine.context, c.box, c.method);
    if (c.method == Method::kCrown) {
      SCOPED_TRACE(c.name);
      Engine cpu(c.graph);
      test::expect_near(one.bounds, root_of(cpu.context, c.box, c.method).bounds, 1e-9);
    }
    for (const int ranks : {1, 2, 3, 4}) {
      SCOPED_TRACE(c.name + ", " + std::to_string(ranks) + " ranks");
      expect_same(roots_of(ranks, c.graph, c.box, {c.method}, true, others).at(0), one);
    }
  }
  EXPECT_GT(others, 0);
}

/// More ranks than most hosts have GPUs: they take the GPUs there are in turn, here one for all.
TEST(CudaRanks, EightRanksOfOneDeviceHaveTheBitsOfOne) {
  SKIP_WITHOUT_DEVICE();
  const std::vector<Method> methods{Method::kCrown, Method::kAlpha};
  for (const auto& [name, graph] : {test::Named{"mlp", test::mlp(4, 30, 2, 700, 10)},
                                    test::Named{"residual net", test::residual_net(4)}}) {
    test::Draw draw(4);
    const test::TestBox box(draw, graph.inputs(), 0.05);
    for (const bool shared : {false, true}) {
      std::int64_t others = 0;
      const std::vector<Root> one = roots_of(1, graph, box, methods, shared, others);
      EXPECT_EQ(others, 0);
      for (const int ranks : {2, 3, 4, 8}) {
        SCOPED_TRACE(name + ", " + std::to_string(ranks) + " ranks, weights shared " +
                     std::to_string(static_cast<int>(shared)));
        const std::vector<Root> all = roots_of(ranks, graph, box, methods, shared, others);
        ASSERT_EQ(all.size(), methods.size());
        for (std::size_t i = 0; i < all.size(); ++i) expect_same(all[i], one[i]);
      }
      EXPECT_GT(others, 0);
    }
  }
}

}  // namespace
}  // namespace coronet::bound
