// What is planned of a GPU's memory against what a run takes there, by class.
#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "../rank_cases.h"
#include "bound/device_forecast.h"
#include "bound/supposed.h"
#include "comm/threads.h"
#include "on_gpu.h"

namespace coronet::bound {
namespace {

constexpr double kChunkMib = 0.05;
constexpr double kMemoryMib = 2048;
constexpr int kIterations = 12;

using Bytes = std::map<std::string, std::uint64_t>;

struct Case {
  std::string name;
  Graph graph;
  test::TestBox box;
};

/// Every operator, small networks of all kinds, and wide ones: of float32 and of double, with dead
/// neurons.
std::vector<Case> cases() {
  std::vector<Case> all;
  for (const auto& networks : {test::all_operators(), test::random_networks(2)}) {
    for (const test::Named& n : networks) {
      test::Draw draw(5);
      all.push_back({n.name, n.graph, test::TestBox(draw, n.graph.inputs(), 0.3)});
    }
  }
  for (const std::uint64_t seed : {2, 3}) {
    const Graph graph = test::mlp(seed, 20, 3, 801, 5);
    test::Draw draw(seed);
    all.push_back(
        {"wide " + std::to_string(seed), graph, test::TestBox(draw, graph.inputs(), 0.02)});
  }
  return all;
}

Root root_of(Context& context, const Case& c, Method method) {
  RootSettings settings;
  settings.method = method;
  settings.iterations = kIterations;
  settings.all_neurons = true;
  return bound_root(context, c.box.lower, c.box.upper, settings);
}

/// As bound_root() takes it, over the bounds that it found.
Bytes planned(const Graph& graph, const Root& root, Method method, int ranks, bool shared) {
  DeviceSettings settings;
  settings.limit = static_cast<std::size_t>(kMemoryMib * 0x1p20);
  settings.chunk_bytes = static_cast<std::size_t>(kChunkMib * 0x1p20);
  settings.ranks = ranks;
  settings.shared = shared;
  DeviceForecast forecast(graph, settings);
  test::Engine engine(graph);
  const std::vector<char> by_rows = bounded_by_rows(engine.net64, true);
  for (int v = 1; v < engine.net64.nodes(); ++v) {
    forecast.columns(v);
    if (by_rows[v] == 0) continue;
    RowList list;
    list.node = v;
    for (int j = 0; j < engine.net64.size(v); ++j) {
      list.neuron.insert(list.neuron.end(), {j, j});
      list.sign.insert(list.sign.end(), {1.0F, -1.0F});
    }
    (void)forecast.rows(root, list, method == Method::kAlpha ? kIterations : 0, ranks);
  }
  Bytes bytes;
  for (int t = 0; t < cuda::kTensors; ++t) {
    bytes[cuda::name_of(static_cast<cuda::Tensor>(t))] = forecast.most().by[t];
  }
  bytes["total"] = forecast.reserved();
  return bytes;
}

TEST(CudaPlan, OneRankTakesWhatIsPlanned) {
  SKIP_WITHOUT_DEVICE();
  for (const Case& c : cases()) {
    for (const Method method : {Method::kCrown, Method::kAlpha}) {
      SCOPED_TRACE(c.name + (method == Method::kAlpha ? ", alpha" : ", CROWN"));
      test::OnGpu one(c.graph, "tf32", kChunkMib, 1, kMemoryMib);
      const Root root = root_of(one.engine.context, c, method);
      EXPECT_EQ(planned(c.graph, root, method, 1, false), one.accelerator->memory());
    }
  }
}

/// As all ranks; returns what the leader's device held.
Bytes led(comm::Communicator& group, const Graph& graph, const Case& c, Method method, Root& root) {
  test::OnGpu mine(graph, "tf32", kChunkMib, 1, kMemoryMib);
  if (group.rank() != 0) {
    ServerSettings settings;
    settings.program = "test";
    settings.workers = mine.engine.workers.size();
    settings.accelerator = mine.accelerator.get();
    settings.make = [&](const Graph&) {
      return std::shared_ptr<Context>(&mine.engine.context, [](Context*) {});
    };
    serve_rows(group, graph, settings);
    return {};
  }
  Ranks all(group, graph, "test", mine.engine.workers.size(), 0);
  const auto dealt = all.whole(mine.engine.context, mine.accelerator.get());
  mine.engine.context.ranks = dealt.get();
  root = root_of(mine.engine.context, c, method);
  all.end();
  return mine.accelerator->memory();
}

TEST(CudaPlan, RanksTakeWhatIsPlanned) {
  SKIP_WITHOUT_DEVICE();
  for (const Case& c : cases()) {
    if (c.graph.nodes.size() < 7) continue;  // those of single operators
    for (const bool shared : {false, true}) {
      for (const int ranks : {1, 2}) {
        if (!shared && ranks == 1) continue;
        SCOPED_TRACE(c.name + (shared ? ", fsdp, " : ", replicated, ") + std::to_string(ranks) +
                     " ranks");
        Bytes ran;
        Root root;
        comm::run_threads(comm::thread_channels(ranks), [&](comm::Channel& channel) {
          comm::Communicator group(channel);
          Graph graph = c.graph;
          std::optional<ShardedWeights> weights;
          if (shared) weights.emplace(graph, group);
          const Bytes held = led(group, graph, c, Method::kAlpha, root);
          if (group.rank() == 0) ran = held;
        });
        const Bytes plan = planned(c.graph, root, Method::kAlpha, ranks, shared);
        EXPECT_EQ(plan.at("weights"), ran.at("weights"));
        // A rank may get none of a list's larger parts, and where the rows of shared weights lie is
        // noted once all ranks have said so.
        for (const char* name : {"A", "alpha and moments", "workspace", "total"}) {
          EXPECT_LE(ran.at(name), plan.at(name)) << name;
        }
        EXPECT_GE(static_cast<double>(ran.at("total")),
                  0.95 * static_cast<double>(plan.at("total")));
      }
    }
  }
}

}  // namespace
}  // namespace coronet::bound
