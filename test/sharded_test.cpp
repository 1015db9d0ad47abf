// Weights of which each rank holds a part: read from anywhere, and the bits of whole ones.
#include "graph/sharded.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/resources.h"
#include "comm/threads.h"
#include "graph/evaluate.h"
#include "graph/fingerprint.h"
#include "ops/tiles.h"
#include "rank_cases.h"

namespace coronet {
namespace {

void on_threads(int ranks, const std::function<void(comm::Communicator&)>& f) {
  comm::run_threads(comm::thread_channels(ranks), [&](comm::Channel& channel) {
    comm::Communicator group(channel);
    f(group);
  });
}

/// Of several tiles, the last one smaller; float64 for an odd seed.
Graph wide(std::uint64_t seed) { return test::mlp(seed, 20, 2, 601, 5); }

test::RankCase wide_case(std::uint64_t seed) {
  test::Draw draw(seed);
  const Graph graph = wide(seed);
  return {"wide " + std::to_string(seed), graph, test::TestBox(draw, graph.inputs(), 0.05),
          bound::Method::kCrown};
}

TEST(Sharded, BoundsHaveTheBitsOfWholeWeights) {
  std::vector<test::RankCase> cases = test::rank_cases();
  cases.push_back(wide_case(2));
  cases.push_back(wide_case(3));
  for (const test::RankCase& c : cases) {
    const test::RankResult one = test::bound_alone(c);
    for (const int ranks : {1, 2, 3, 4, 8}) {
      SCOPED_TRACE(c.name + ", " + std::to_string(ranks) + " ranks");
      on_threads(ranks, [&](comm::Communicator& group) { test::expect_same(group, c, one, true); });
    }
  }
}

TEST(Sharded, OneRankNeedsNoOthers) {
  for (const std::uint64_t seed : {2, 3}) {
    const test::RankCase whole = wide_case(seed);
    const test::RankResult one = test::bound_alone(whole);
    test::RankCase sharded = whole;
    const ShardedWeights weights(sharded.graph);
    EXPECT_FALSE(weights_here(sharded.graph));
    const test::RankResult again = test::bound_alone(sharded);
    EXPECT_EQ(again.bounds.lo, one.bounds.lo);
    EXPECT_EQ(again.bounds.hi, one.bounds.hi);
    EXPECT_EQ(again.outputs.bound, one.outputs.bound);
    EXPECT_EQ(weights.fetched(), 0U);
  }
}

/// What a weight holds, read in every way that there is.
void expect_equal(const Weight& weight, const Weight& whole, int rows) {
  const auto width = static_cast<int>(whole.size() / static_cast<std::size_t>(rows));
  ASSERT_EQ(weight.size(), whole.size());
  ASSERT_EQ(weight.single(), whole.single());
  const Weight copy = gathered(weight);
  EXPECT_EQ(copy.f, whole.f);
  EXPECT_EQ(copy.d, whole.d);
  for (const int first : {0, 1, rows / 2, rows}) {
    int next = first;
    for_each_tile(weight, width, first, rows, [&](const WeightRows& tile) {
      EXPECT_EQ(tile.first, next);
      EXPECT_GT(tile.last, tile.first);
      next = tile.last;
      tile.visit([&](const auto* numbers) {
        for (int i = 0; i < tile.count() * width; ++i) {
          const auto at = static_cast<std::size_t>(tile.first) * width + i;
          ASSERT_EQ(static_cast<double>(numbers[i]), whole.at(at)) << at;
        }
      });
    });
    EXPECT_EQ(next, rows);
  }
  std::vector<int> some;
  for (int i = 0; i < rows; i += i % 7 == 0 ? 1 : 3) {
    some.push_back(i);
    if (i % 2 == 0) some.push_back(i);
  }
  some.push_back(0);  // need not ascend
  int next = 0;
  pick_rows(weight, width, some, [&](int i, const auto* row) {
    EXPECT_EQ(i, next++);
    for (int c = 0; c < width; ++c) {
      const auto at = static_cast<std::size_t>(some[i]) * width + c;
      ASSERT_EQ(static_cast<double>(row[c]), whole.at(at)) << at;
    }
  });
  EXPECT_EQ(next, static_cast<int>(some.size()));
}

TEST(Sharded, EveryRankReadsAllOfEveryWeight) {
  for (const std::uint64_t seed : {2, 3}) {
    const Graph whole = wide(seed);
    const std::uint64_t number = fingerprint(whole);
    std::vector<double> x(whole.inputs(), 0.25);
    const std::vector<double> y = evaluate(whole, x);
    for (const int ranks : {1, 2, 3, 8}) {
      on_threads(ranks, [&](comm::Communicator& group) {
        Graph graph = whole;
        const ShardedWeights weights(graph, group);
        std::size_t all = 0;
        std::size_t mine = 0;
        int count = 0;
        for (std::size_t v = 0; v < graph.nodes.size(); ++v) {
          const auto* dense = std::get_if<Dense>(&graph.nodes[v].op);
          if (dense == nullptr) continue;
          const Weight& there = std::get<Dense>(whole.nodes[v].op).weight;
          expect_equal(dense->weight, there, dense->out);
          all += there.bytes();
          mine += dense->weight.bytes();
          ++count;
        }
        EXPECT_LE(mine, all / ranks + 16U * count);
        EXPECT_EQ(fingerprint(graph), number);
        EXPECT_EQ(evaluate(graph, x), y);
        group.barrier();  // the others may still be reading
      });
    }
  }
}

/// Who waits for a tile of a rank that fails is told why.
TEST(Sharded, ARankThatFailsEndsWhoWaitsForItsWeights) {
  const Graph whole = wide(2);
  for (const int faulty : {0, 2}) {
    try {
      on_threads(3, [&](comm::Communicator& group) {
        Graph graph = whole;
        const ShardedWeights weights(graph, group);
        if (group.rank() == faulty) throw Error(ErrorKind::kOutOfMemory, "no room for anything");
        const auto& dense = std::get<Dense>(graph.nodes[3].op);
        for (;;) (void)gathered(dense.weight);
      });
      ADD_FAILURE() << "no error";
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::kOutOfMemory) << e.what();
      EXPECT_NE(std::string(e.what()).find("no room"), std::string::npos) << e.what();
    }
  }
}

/// Whatever moment of others' reading it fails at: what they have read is right, or they are told.
TEST(Sharded, ARankThatFailsWhileItIsReadLendsNoOtherNumbers) {
  const Graph whole = wide(2);
  const Weight numbers = std::get<Dense>(whole.nodes[3].op).weight;
  for (const int faulty : {0, 1, 2}) {
    for (const int reads : {0, 1, 2, 5, 17}) {
      SCOPED_TRACE(std::to_string(faulty) + " after " + std::to_string(reads) + " reads");
      std::array<std::atomic<int>, 3> begun{};  // reads of each rank
      std::atomic<double> failed = 0;
      try {
        on_threads(3, [&](comm::Communicator& group) {
          Graph graph = whole;
          const ShardedWeights weights(graph, group);
          if (group.rank() == faulty) {
            for (int r = 0; r < 3; ++r) {
              while (r != faulty && begun[r] <= reads) std::this_thread::yield();
            }
            failed = elapsed_seconds();
            throw Error(ErrorKind::kOutOfMemory, "no room for anything");
          }
          const Weight& weight = std::get<Dense>(graph.nodes[3].op).weight;
          for (;;) {
            ++begun[group.rank()];
            ASSERT_EQ(gathered(weight).f, numbers.f);
          }
        });
        ADD_FAILURE() << "no error";
      } catch (const Error& e) {
        EXPECT_EQ(e.kind(), ErrorKind::kOutOfMemory) << e.what();
        EXPECT_NE(std::string(e.what()).find("no room"), std::string::npos) << e.what();
      }
      EXPECT_LT(elapsed_seconds() - failed, 10);
    }
  }
}

}  // namespace
}  // namespace coronet
