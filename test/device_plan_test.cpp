// Plans of GPUs, without one.
#include "plan/device_plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "base/error.h"
#include "bound/device_forecast.h"
#include "bound/supposed.h"
#include "cuda/device.h"
#include "graphs.h"

namespace coronet {
namespace {

using plan::Place;

constexpr std::size_t kMib = std::size_t{1} << 20;
const std::vector<Place> kPlaces = {Place::kReplicated, Place::kSharded, Place::kStreamed};

std::uint64_t of(const plan::Phase& phase, cuda::Tensor what) {
  return phase.device[static_cast<std::size_t>(what)];
}

plan::Question gpus(int ranks, bound::Method method) {
  plan::Question question;
  question.device = true;
  question.ranks = ranks;
  question.method = method;
  question.iterations = question.spec_iterations = 5;
  return question;
}

/// Wide enough for its rows to be the GPU's.
Graph wide() { return test::mlp(2, 20, 3, 1000, 5, 0, false); }

TEST(DevicePlan, ClassesAddUp) {
  for (const bound::Method method : {bound::Method::kCrown, bound::Method::kAlpha}) {
    for (const int ranks : {1, 2, 4}) {
      for (const Place place : kPlaces) {
        SCOPED_TRACE(std::to_string(ranks) + " ranks, " + plan::name_of(place));
        const Graph graph = wide();
        const plan::RunPlan made = make_run_plan(graph, gpus(ranks, method), place);
        std::uint64_t at_rest = 0;
        for (const plan::WeightPlan& w : made.weights) at_rest += w.here;
        for (const plan::Phase& phase : made.phases) {
          std::uint64_t sum = 0;
          for (const std::uint64_t bytes : phase.device) {
            EXPECT_LE(bytes, phase.total);
            sum += bytes;
          }
          // What lies unused between blocks is the arena's; all of the rest is some class's.
          EXPECT_LE(phase.total, sum + sum / 2 + 2 * kMib) << phase.name;
          EXPECT_GT(phase.seconds(), 0);
        }
        EXPECT_GE(of(made.phases[1], cuda::Tensor::kWeights), at_rest);
        EXPECT_GT(of(made.phases[2], cuda::Tensor::kWorkspace), cuda::kBlasWorkspace);
        EXPECT_EQ(of(made.phases[2], cuda::Tensor::kA) > 0, method == bound::Method::kAlpha);
        EXPECT_EQ(made.peak_bytes(), made.peak().total);
      }
    }
  }
}

TEST(DevicePlan, SharedWeightsAreParts) {
  const Graph graph = wide();
  for (const int ranks : {1, 2, 4}) {
    const plan::RunPlan made =
        make_run_plan(graph, gpus(ranks, bound::Method::kAlpha), Place::kSharded);
    std::uint64_t all = 0;
    std::uint64_t here = 0;
    double fetched = 0;
    for (const plan::WeightPlan& w : made.weights) {
      all += w.bytes;
      here += w.here;
    }
    for (const plan::Phase& phase : made.phases) {
      for (const plan::Transfer& t : phase.transfers) {
        if (t.via == plan::Via::kTileFetch) fetched += static_cast<double>(t.bytes);
      }
    }
    EXPECT_NEAR(static_cast<double>(here), static_cast<double>(all) / ranks, 0.01 * all);
    EXPECT_EQ(fetched > 0, ranks > 1);
  }
}

/// A limit is kept by smaller chunks, then by leaving weights on the host, and refused below that.
TEST(DevicePlan, ALimitIsKeptOrRefused) {
  const Graph graph = wide();
  plan::Question question = gpus(2, bound::Method::kAlpha);
  const std::uint64_t free = make_run_plan(graph, question, Place::kReplicated).peak_bytes();
  double seconds = 0;
  for (const std::uint64_t mib : {free / kMib, std::uint64_t{110}, std::uint64_t{40}}) {
    question.memory = mib * kMib;
    const plan::RunPlan made = make_run_plan(graph, question, Place::kReplicated);
    EXPECT_LE(made.peak_bytes(), question.memory) << mib;
    EXPECT_GE(made.seconds(), seconds) << mib;
    seconds = made.seconds();
  }
  question.memory = 17 * kMib;
  EXPECT_GT(make_run_plan(graph, question, Place::kReplicated).peak_bytes(), question.memory);
  try {
    (void)choose_run_plan(graph, question, kPlaces);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kOutOfMemory);
    const std::string what = error.what();
    for (const char* words : {"no plan fits into 17.0 MiB of the GPU of each of 2 ranks", "weights",
                              "workspace", "smallest chunks", "would help", "at least"}) {
      EXPECT_NE(what.find(words), std::string::npos) << words << " in " << what;
    }
  }
}

TEST(DevicePlan, ConstantsAndRanksChangeTheTime) {
  const Graph graph = wide();
  plan::Question question = gpus(1, bound::Method::kAlpha);
  const auto seconds = [&](Place place) {
    return make_run_plan(graph, question, place).phases.back().seconds();
  };
  const double one = seconds(Place::kReplicated);
  EXPECT_GT(seconds(Place::kSharded), 0.9 * one);
  for (double bound::DeviceRates::*rate :
       {&bound::DeviceRates::fp64, &bound::DeviceRates::memory}) {
    question.cost.gpu.*rate /= 100;
    EXPECT_GT(seconds(Place::kReplicated), one);
    question.cost.gpu.*rate *= 100;
  }
  question.ranks = 4;
  question.cost.gpu.peer /= 1e4;
  EXPECT_GT(seconds(Place::kSharded), 2 * seconds(Place::kReplicated));
  question.cost = plan::CostModel::hosts();
  question.cost.bandwidth /= 1e4;
  const double near = seconds(Place::kSharded);
  question.one_host = false;
  EXPECT_GT(seconds(Place::kSharded), 2 * near);
}

/// Shares of dead and of unstable neurons are about those of a run.
TEST(DevicePlan, SupposedBoundsAreAboutARuns) {
  for (const std::uint64_t seed : {2, 4, 6}) {
    const Graph graph = test::mlp(seed, 30, 3, 400, 5, 0, false);
    test::Draw draw(seed);
    const test::TestBox box(draw, graph.inputs(), 0.03);
    test::Engine engine(graph, 2);
    bound::RootSettings settings;
    settings.method = bound::Method::kCrown;
    settings.all_neurons = true;
    const bound::Root ran = bound_root(engine.context, box.lower, box.upper, settings);
    const bound::Root supposed = bound::supposed_root(graph, box.lower, box.upper, engine.workers);
    for (std::size_t v = 1; v < graph.nodes.size(); ++v) {
      if (!std::holds_alternative<Relu>(graph.nodes[v].op)) continue;
      const auto u = static_cast<std::size_t>(graph.nodes[v].inputs[0]);
      const auto shares = [&](const bound::Bounds& bounds) {
        double dead = 0;
        double open = 0;
        for (std::size_t i = 0; i < bounds.lo[u].size(); ++i) {
          dead += bounds.hi[u][i] <= 0;
          open += bounds.lo[u][i] < 0 && bounds.hi[u][i] > 0;
        }
        const auto size = static_cast<double>(bounds.lo[u].size());
        return std::vector<double>{dead / size, open / size};
      };
      const std::vector<double> a = shares(ran.bounds);
      const std::vector<double> b = shares(supposed.bounds);
      EXPECT_NEAR(a[0], b[0], 0.05) << "node " << v << ", seed " << seed;
      EXPECT_NEAR(a[1], b[1], 0.07) << "node " << v << ", seed " << seed;
    }
  }
}

/// More that is dead leaves less to hold and to multiply.
TEST(DevicePlan, DeadNeuronsAreLeftOut) {
  const Graph graph = wide();
  plan::Question question = gpus(1, bound::Method::kAlpha);
  const plan::RunPlan open = make_run_plan(graph, question, Place::kReplicated);
  test::Draw draw(3);
  const test::TestBox box(draw, graph.inputs(), 0.01);
  Workers workers(2);
  question.supposed = std::make_shared<const bound::Root>(
      bound::supposed_root(graph, box.lower, box.upper, workers));
  const plan::RunPlan known = make_run_plan(graph, question, Place::kReplicated);
  EXPECT_LT(of(known.peak(), cuda::Tensor::kWeights), of(open.peak(), cuda::Tensor::kWeights));
  EXPECT_LT(known.phases.back().work.products32(), 0.7 * open.phases.back().work.products32());
}

/// Blocks of addresses without memory: as of a device's (test/cuda/device_test.cpp).
TEST(DevicePlan, AnArenaNeedsNoMemory) {
  cuda::Arena arena(std::make_unique<cuda::CountedHeap>(64 * kMib));
  char* const first = static_cast<char*>(arena.take(3 * kMib, cuda::Tensor::kA, "one"));
  char* const second = static_cast<char*>(arena.take(100, cuda::Tensor::kWeights, "two"));
  EXPECT_EQ(second - first, static_cast<std::ptrdiff_t>(3 * kMib));
  EXPECT_EQ(arena.now().total, 3 * kMib + 256);
  EXPECT_EQ(arena.reserved(), 4 * kMib);
  arena.give(first);
  EXPECT_EQ(arena.take(2 * kMib, cuda::Tensor::kA, "three"), first);
  EXPECT_THROW((void)arena.take(61 * kMib, cuda::Tensor::kA, "four"), Error);
  EXPECT_EQ(arena.most().by[static_cast<int>(cuda::Tensor::kA)], 3 * kMib);
}

}  // namespace
}  // namespace coronet
