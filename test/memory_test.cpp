// What ranks count of their memory.
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/memory_ledger.h"
#include "bound/root.h"
#include "comm/threads.h"
#include "graph/sharded.h"
#include "rank_cases.h"

namespace coronet {
namespace {

TEST(MemoryLedger, CountsByClassAndKeepsTheMost) {
  std::set<std::string> names;
  for (int i = 0; i < kMemoryClasses; ++i) {
    SCOPED_TRACE(name_of(memory_class(i)));
    EXPECT_TRUE(names.insert(name_of(memory_class(i))).second);
    MemoryLedger ledger;
    {
      Counted a(&ledger, memory_class(i), 100);
      Counted b(&ledger, memory_class(i));
      b.set(50);
      b.set(20);
      const Counted moved = std::move(a);
      EXPECT_EQ(ledger.usage().by[i].now, 120U);
      b = Counted(&ledger, memory_class(i), 7);
    }
    ledger.saw(memory_class(i), 30);
    const MemoryUsage usage = ledger.usage();
    for (int j = 0; j < kMemoryClasses; ++j) {
      EXPECT_EQ(usage.by[j].now, 0U);
      EXPECT_EQ(usage.by[j].most, j == i ? 150U : 0U);
    }
    EXPECT_EQ(usage.total.most, 150U);
  }
}

TEST(MemoryLedger, TheMostOfAllIsOfTheirSum) {
  MemoryLedger ledger;
  ledger.saw(MemoryClass::kA, 60);
  const Counted weights(&ledger, MemoryClass::kWeights, 50);
  EXPECT_EQ(ledger.usage()[MemoryClass::kA].most, 60U);
  EXPECT_EQ(ledger.usage().total.most, 60U);
  EXPECT_EQ(ledger.usage().total.now, 50U);
}

TEST(MemoryLedger, CountsFromManyThreads) {
  MemoryLedger ledger;
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; ++i) {
        Counted held(&ledger, MemoryClass::kTiles, 3);
        held.set(8);
      }
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(ledger.usage()[MemoryClass::kTiles].now, 0U);
  EXPECT_GE(ledger.usage()[MemoryClass::kTiles].most, 8U);
  EXPECT_LE(ledger.usage()[MemoryClass::kTiles].most, 32U);
}

/// What the ranks tell when they end, each having bounded rows of the case.
std::vector<MemoryUsage> told(int count, const test::RankCase& of, bool sharded) {
  std::vector<MemoryUsage> all;
  comm::run_threads(comm::thread_channels(count), [&](comm::Channel& channel) {
    comm::Communicator group(channel);
    test::RankCase mine = of;
    MemoryLedger ledger;
    std::optional<ShardedWeights> weights;
    if (sharded) {
      weights.emplace(mine.graph, group);
      weights->count_in(&ledger);
    }
    const Counted here(&ledger, MemoryClass::kWeights, weight_bytes_here(mine.graph));
    test::RankEngine engine(mine.graph);
    engine.engine.context.count_in(&ledger);
    if (group.rank() == 0) {
      bound::Ranks ranks(group, mine.graph, "test", engine.engine.workers.size(), 0);
      (void)test::bound_all(mine, engine, &ranks);
      ranks.end(&ledger);
      for (const RankReport& report : ranks.reports()) all.push_back(report.memory);
      return;
    }
    bound::ServerSettings settings = test::server_settings(engine);
    settings.ledger = &ledger;
    settings.make = [&](const Graph& graph) {
      const auto made = std::make_shared<test::RankEngine>(graph);
      made->engine.context.count_in(&ledger);
      return std::shared_ptr<bound::Context>(made, &made->engine.context);
    };
    bound::serve_rows(group, mine.graph, settings);
  });
  return all;
}

TEST(MemoryLedger, RanksTellTheLeader) {
  for (const test::RankCase& c : test::rank_cases()) {
    for (const int ranks : {1, 2, 3}) {
      for (const bool sharded : {false, true}) {
        SCOPED_TRACE(c.name + ", " + std::to_string(ranks) + (sharded ? " ranks, fsdp" : " ranks"));
        const std::vector<MemoryUsage> all = told(ranks, c, sharded);
        ASSERT_EQ(all.size(), static_cast<std::size_t>(ranks));
        const std::uint64_t whole = weight_bytes(c.graph);
        std::uint64_t sum = 0;
        std::uint64_t a = 0;
        for (const MemoryUsage& rank : all) {
          const std::uint64_t weights = rank[MemoryClass::kWeights].most;
          sum += weights;
          a += rank[MemoryClass::kA].most;
          if (!sharded) {
            EXPECT_EQ(weights, whole);
            EXPECT_EQ(rank[MemoryClass::kTiles].most, 0U);
          }
          EXPECT_GT(rank[MemoryClass::kBounds].most, 0U);
          EXPECT_GE(rank.total.most, rank[MemoryClass::kA].most);
        }
        EXPECT_GT(a, 0U);
        if (sharded) {
          EXPECT_EQ(sum, whole);
        }
      }
    }
  }
}

}  // namespace
}  // namespace coronet
