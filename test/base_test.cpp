// Tests of src/base: random numbers, the thread pool, resources.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

#include "base/parallel.h"
#include "base/resources.h"
#include "base/rng.h"

namespace coronet {
namespace {

TEST(Rng, DependsOnEveryArgumentAndOnNothingElse) {
  std::set<std::uint64_t> seen;
  for (std::uint64_t seed = 0; seed < 8; ++seed) {
    for (std::uint64_t stream = 0; stream < 8; ++stream) {
      for (std::uint64_t counter = 0; counter < 64; ++counter) {
        const std::uint64_t bits = random_bits(seed, stream, counter);
        EXPECT_EQ(bits, random_bits(seed, stream, counter));
        EXPECT_TRUE(seen.insert(bits).second);
      }
    }
  }
}

TEST(Rng, UniformHasTheMomentsOfItsDistribution) {
  constexpr int kCount = 200000;
  // In turn along counters, streams and seeds: none of the three may be the weak one.
  for (int axis = 0; axis < 3; ++axis) {
    double sum = 0, squares = 0, lag = 0, last = 0.5;
    for (std::uint64_t i = 0; i < kCount; ++i) {
      const double u = uniform(axis == 2 ? i : 7, axis == 1 ? i : 3, axis == 0 ? i : 11);
      ASSERT_GE(u, 0);
      ASSERT_LT(u, 1);
      sum += u;
      squares += u * u;
      lag += (u - 0.5) * (last - 0.5);
      last = u;
    }
    EXPECT_NEAR(sum / kCount, 0.5, 0.004) << axis;
    EXPECT_NEAR(squares / kCount, 1.0 / 3, 0.004) << axis;
    EXPECT_NEAR(lag / kCount, 0, 0.001) << axis;
  }
}

TEST(Rng, IndexIsInRangeAndEven) {
  std::vector<int> count(10);
  for (std::uint64_t i = 0; i < 100000; ++i) {
    const std::uint64_t index = uniform_index(1, 2, i, count.size());
    ASSERT_LT(index, count.size());
    ++count[index];
  }
  for (const int c : count) EXPECT_NEAR(c, 10000, 500);
  for (std::uint64_t i = 0; i < 100; ++i) {
    EXPECT_EQ(uniform_index(1, 2, i, 1), 0U);
    // The upper half of the product, by the value's definition.
    EXPECT_EQ(uniform_index(1, 2, i, 1ULL << 40), random_bits(1, 2, i) >> 24);
  }
}

TEST(Rng, NormalHasTheMomentsOfItsDistribution) {
  constexpr int kCount = 100000;
  double sum = 0, squares = 0;
  for (std::uint64_t i = 0; i < kCount; ++i) {
    const double x = normal(5, 6, i);
    ASSERT_TRUE(std::isfinite(x));
    sum += x;
    squares += x * x;
  }
  EXPECT_NEAR(sum / kCount, 0, 0.02);
  EXPECT_NEAR(squares / kCount, 1, 0.03);
}

TEST(Workers, RunsEveryTaskOnce) {
  for (const int threads : {1, 2, 3, 8}) {
    Workers workers(threads);
    EXPECT_EQ(workers.size(), threads);
    for (const int tasks : {0, 1, 2, 7, 1000}) {
      std::vector<int> ran(static_cast<std::size_t>(tasks));
      workers.run(tasks, [&](int task, int) { ++ran[static_cast<std::size_t>(task)]; });
      EXPECT_EQ(ran, std::vector<int>(static_cast<std::size_t>(tasks), 1));
    }
  }
}

TEST(Workers, NeverSharesAWorkerNumber) {
  Workers workers(4);
  std::vector<std::atomic<int>> inside(4);
  std::vector<long> total(4);  // not atomic: a race if two tasks have one number at once
  for (int repeat = 0; repeat < 200; ++repeat) {
    workers.run(16, [&](int, int worker) {
      const auto w = static_cast<std::size_t>(worker);
      EXPECT_EQ(inside.at(w).fetch_add(1), 0);
      ++total[w];
      inside.at(w).fetch_sub(1);
    });
  }
  EXPECT_EQ(std::accumulate(total.begin(), total.end(), 0L), 3200);
}

TEST(Workers, CallerIsWorkerZero) {
  Workers workers(3);
  const auto caller = std::this_thread::get_id();
  workers.run(
      100, [&](int, int worker) { EXPECT_EQ(worker == 0, std::this_thread::get_id() == caller); });
}

TEST(Workers, RethrowsTheFirstExceptionAndStaysUsable) {
  Workers workers(3);
  for (int repeat = 0; repeat < 50; ++repeat) {
    EXPECT_THROW(workers.run(20,
                             [](int task, int) {
                               if (task % 5 == 3) throw std::runtime_error("task");
                             }),
                 std::runtime_error);
    EXPECT_THROW(workers.run(1, [](int, int) { throw std::logic_error("alone"); }),
                 std::logic_error);
    std::atomic<int> ran{0};
    workers.run(10, [&](int, int) { ++ran; });
    EXPECT_EQ(ran, 10);
  }
}

TEST(Workers, NestedRunsExecuteInlineAsTheSameWorker) {
  Workers outer(3);
  Workers inner(2);
  std::atomic<int> ran{0};
  outer.run(9, [&](int, int worker) {
    const auto thread = std::this_thread::get_id();
    outer.run(4, [&](int, int nested) {
      EXPECT_EQ(nested, worker);
      EXPECT_EQ(std::this_thread::get_id(), thread);
      ++ran;
    });
    inner.run(2, [&](int, int) {
      EXPECT_EQ(std::this_thread::get_id(), thread);
      ++ran;
    });
  });
  EXPECT_EQ(ran, 9 * 6);
  EXPECT_THROW(
      outer.run(
          3, [&](int, int) { outer.run(2, [](int, int) { throw std::runtime_error("nested"); }); }),
      std::runtime_error);
}

TEST(Workers, MayBeSharedByThreads) {
  Workers workers(2);
  std::atomic<int> ran{0};
  const auto use = [&] {
    for (int i = 0; i < 100; ++i) workers.run(5, [&](int, int) { ++ran; });
  };
  std::thread other(use);
  use();
  other.join();
  EXPECT_EQ(ran, 1000);
}

TEST(Workers, TakesTheMachineByDefault) {
  EXPECT_GE(available_cpus(), 1);
  EXPECT_EQ(Workers(0).size(), available_cpus());
}

TEST(Resources, TimeGoesOnFromTheProcessStart) {
  const double before = elapsed_seconds();
  EXPECT_GE(before, 0);
  EXPECT_LT(before, 3600);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_GE(elapsed_seconds(), before + 0.019);
}

TEST(Resources, DeadlinePasses) {
  const Deadline near(elapsed_seconds() + 0.02);
  EXPECT_FALSE(near.passed());
  EXPECT_GT(near.left(), 0);
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
  EXPECT_TRUE(near.passed());
  EXPECT_LT(near.left(), 0);
  EXPECT_FALSE(Deadline(std::numeric_limits<double>::infinity()).passed());
}

TEST(Resources, MemoryIsSeen) {
  const std::uint64_t before = resident_bytes();
  ASSERT_GT(before, 0U);
  constexpr std::size_t kBytes = 64 << 20;
  {
    const std::vector<char> block(kBytes, 1);
    EXPECT_GE(resident_bytes(), before + kBytes / 2);
    EXPECT_EQ(block.back(), 1);
  }
  EXPECT_GE(peak_resident_bytes(), before + kBytes / 2);
  const std::uint64_t now = resident_bytes();  // before the peak: the process may grow in between
  EXPECT_GE(peak_resident_bytes(), now);
  EXPECT_GT(machine_memory_bytes(), now);
}

}  // namespace
}  // namespace coronet
