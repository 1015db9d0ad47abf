// What rows will take, forecast without their numbers, against what bounding them took.
#include "bound/row_memory.h"

#include <gtest/gtest.h>

#include <string>

#include "comm/threads.h"
#include "graph/sharded.h"
#include "rank_cases.h"

namespace coronet {
namespace {

constexpr double kChunkMib = 0.004;  // many parts
constexpr std::size_t kPackBytes = std::size_t{1} << 24;
constexpr int kForms = 3;

struct Case {
  std::string name;
  Graph graph;
  int iterations;
};

/// Few iterations, so that no smaller network is written out for them.
std::vector<Case> cases() {
  std::vector<Case> all;
  for (const test::Named& n : test::random_networks(3)) {
    for (const int iterations : {0, 1, 3}) {
      all.push_back(
          {n.name + ", " + std::to_string(iterations) + " iterations", n.graph, iterations});
    }
  }
  return all;
}

bound::OptimiseSettings settings_of(const Case& c) {
  bound::OptimiseSettings settings;
  settings.iterations = c.iterations;
  settings.stop_positive = false;
  return settings;
}

/// The root of a box by rows, and some dense rows over the outputs.
void run(const Case& c, bound::Context& context) {
  test::Draw draw(5);
  const test::TestBox box(draw, c.graph.inputs(), 0.3);
  bound::RootSettings settings;
  settings.method = c.iterations > 0 ? bound::Method::kAlpha : bound::Method::kCrown;
  settings.iterations = c.iterations;
  settings.all_neurons = true;
  const bound::Root root = bound_root(context, box.lower, box.upper, settings);
  bound::RowList forms;
  forms.node = context.net64.nodes() - 1;
  forms.dense.assign(static_cast<std::size_t>(kForms * context.net64.size(forms.node)), 0.5);
  (void)bound::bound_rows(context, root, forms, settings_of(c));
}

MemoryUsage forecast(const Case& c, int hands) {
  const bound::RowForecast::Values nothing;
  bound::RowForecast worker(c.graph, kChunkMib, 1, nothing);
  const bound::Network<double> net(c.graph, 0);
  const std::vector<char> by_rows = bound::bounded_by_rows(net, true);
  for (int v = 0; v < net.nodes(); ++v) {
    if (by_rows[v]) worker.bound({v, 2 * net.size(v), true, false, c.iterations, hands});
  }
  worker.bound({net.nodes() - 1, kForms, false, false, c.iterations, hands});
  return worker.usage();
}

TEST(RowMemory, OneWorkerTakesWhatWasForecast) {
  for (const Case& c : cases()) {
    SCOPED_TRACE(c.name);
    MemoryLedger ledger;
    test::Engine engine(c.graph, 1);
    engine.options.chunk_mib = kChunkMib;
    engine.context.count_in(&ledger);
    run(c, engine.context);
    const MemoryUsage took = ledger.usage();
    const MemoryUsage expected = forecast(c, 1);
    EXPECT_GT(took[MemoryClass::kA].most, 0U);
    EXPECT_EQ(took[MemoryClass::kA].most, expected[MemoryClass::kA].most);
    EXPECT_EQ(took[MemoryClass::kAlpha].most, expected[MemoryClass::kAlpha].most);
    EXPECT_EQ(took[MemoryClass::kBounds].most, bound::root_bytes(c.graph));
    EXPECT_EQ(engine.net32.bytes() + engine.net64.bytes(),
              bound::kernel_bytes(c.graph, kPackBytes, false).packed);
  }
}

/// Convolutions of whole images, of whose neurons two thirds are dead.
Graph mostly_dead() {
  test::Builder b(1);
  int u = b.input({6, 6, 2});
  for (int layer = 0; layer < 5; ++layer) {
    u = b.conv(u, 12, test::square(3, 1, 1));
    auto& bias = std::get<Conv>(b.graph.nodes[static_cast<std::size_t>(u)].op).bias;
    for (std::size_t c = 0; c < bias.size(); ++c) bias[c] = c % 3 == 0 ? 0.1 : -30;
    u = b.relu(u);
  }
  b.dense(u, 3);
  return b.finish();
}

TEST(RowMemory, NetworksWrittenOutAreForecast) {
  const Graph graph = mostly_dead();
  test::Draw draw(5);
  const test::TestBox box(draw, graph.inputs(), 0.2);
  MemoryLedger ledger;
  test::Engine engine(graph, 1);
  engine.context.count_in(&ledger);
  bound::RootSettings settings;
  settings.method = bound::Method::kAlpha;
  settings.iterations = 5;
  settings.all_neurons = true;
  const bound::Root root = bound_root(engine.context, box.lower, box.upper, settings);
  const bound::RowForecast::Values& dead = root.bounds.hi;  // where it is not positive
  bound::RowForecast worker(graph, engine.options.chunk_mib, 1, dead);
  for (int v = 1; v < engine.net64.nodes(); ++v) {
    if (bound::bounded_by_rows(engine.net64, true)[static_cast<std::size_t>(v)] == 0) continue;
    (void)worker.bound({v, 2 * engine.net64.size(v), true, false, settings.iterations, 1});
  }
  // More neurons than in the run: some of the dead are supposed to be unstable.
  const auto took = static_cast<double>(ledger.usage()[MemoryClass::kNetworks].most);
  const auto expected = static_cast<double>(worker.usage()[MemoryClass::kNetworks].most);
  EXPECT_GT(took, 0);
  EXPECT_GE(expected, 0.9 * took);
  EXPECT_LE(expected, 2 * took);
  EXPECT_EQ(ledger.usage()[MemoryClass::kNetworks].now, 0U);
}

TEST(RowMemory, AskingForAlphaShowsInTheForecast) {
  bool any = false;
  for (const Case& c : cases()) {
    const std::uint64_t alpha = forecast(c, 1)[MemoryClass::kAlpha].most;
    if (c.iterations == 0) {
      EXPECT_EQ(alpha, 0U) << c.name;
    }
    any = any || alpha > 0;
  }
  EXPECT_TRUE(any);
}

/// Which parts a rank gets, and so which of its buffers grow, the deal decides: with those of
/// graphs of a few neurons, a rank may take a little more than one that gets all parts in their
/// order.
TEST(RowMemory, RanksTakeAboutWhatWasForecast) {
  const auto at_most = [](std::uint64_t took, std::uint64_t expected) {
    EXPECT_LE(static_cast<double>(took), 1.25 * static_cast<double>(expected));
  };
  for (const Case& c : cases()) {
    for (const bool sharded : {false, true}) {
      for (const int count : {1, 2, 3}) {
        SCOPED_TRACE(c.name + ", " + std::to_string(count) + (sharded ? " ranks, fsdp" : " ranks"));
        std::vector<MemoryUsage> took;
        comm::run_threads(comm::thread_channels(count), [&](comm::Channel& channel) {
          comm::Communicator group(channel);
          Case mine = c;
          std::optional<ShardedWeights> weights;
          if (sharded) weights.emplace(mine.graph, group);
          MemoryLedger ledger;
          test::Engine engine(mine.graph, 1);
          engine.options.chunk_mib = kChunkMib;
          engine.context.count_in(&ledger);
          if (group.rank() == 0) {
            bound::Ranks ranks(group, mine.graph, "test", 1, 0);
            const auto dealt = ranks.whole(engine.context, nullptr);
            engine.context.ranks = dealt.get();
            run(mine, engine.context);
            ranks.end(&ledger);
            for (const RankReport& report : ranks.reports()) took.push_back(report.memory);
            return;
          }
          bound::ServerSettings settings;
          settings.program = "test";
          settings.ledger = &ledger;
          settings.make = [&](const Graph&) {
            return std::shared_ptr<bound::Context>(&engine.context, [](bound::Context*) {});
          };
          bound::serve_rows(group, mine.graph, settings);
        });
        const MemoryUsage expected = forecast(c, count);
        ASSERT_EQ(took.size(), static_cast<std::size_t>(count));
        std::uint64_t any = 0;
        for (const MemoryUsage& rank : took) {
          at_most(rank[MemoryClass::kA].most, expected[MemoryClass::kA].most);
          EXPECT_LE(rank[MemoryClass::kAlpha].most, expected[MemoryClass::kAlpha].most);
          any += rank[MemoryClass::kA].most;
        }
        at_most(expected[MemoryClass::kA].most, any);
      }
    }
  }
}

}  // namespace
}  // namespace coronet
