// Rows bounded on a GPU against rows bounded on the CPU, over networks of every kind.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "bound/root.h"
#include "on_gpu.h"

namespace coronet::bound {
namespace {

using test::Draw;
using test::Engine;
using test::expect_near;
using test::Named;
using test::OnGpu;
using test::TestBox;

Root root_of(Engine& engine, const TestBox& box, Method method, bool all) {
  RootSettings settings;
  settings.method = method;
  settings.iterations = 12;
  settings.all_neurons = all;
  return bound_root(engine.context, box.lower, box.upper, settings);
}

// CROWN is one definite number up to rounding, which the bounds already allow for.
TEST(CudaBound, CrownIsThatOfTheCpu) {
  SKIP_WITHOUT_DEVICE();
  for (const Named& n : test::random_networks(6)) {
    SCOPED_TRACE(n.name);
    Draw draw(7);
    const TestBox box(draw, n.graph.inputs(), 0.3);
    Engine cpu(n.graph);
    OnGpu gpu(n.graph, "tf32", 96);
    const Root there = root_of(gpu.engine, box, Method::kCrown, true);
    const Root here = root_of(cpu, box, Method::kCrown, true);
    expect_near(there.bounds, here.bounds, 1e-9);
  }
}

TEST(CudaBound, AlphaIsSoundAndAsTightAsThatOfTheCpu) {
  SKIP_WITHOUT_DEVICE();
  double here_width = 0;
  double there_width = 0;
  for (const Named& n : test::random_networks(6)) {
    SCOPED_TRACE(n.name);
    const test::Reference reference(n.graph);
    Draw draw(8);
    const TestBox box(draw, n.graph.inputs(), 0.3);
    Engine cpu(n.graph);
    const Root here = root_of(cpu, box, Method::kAlpha, true);
    for (const char* precision : {"fp32", "tf32", "bf16"}) {
      SCOPED_TRACE(precision);
      OnGpu gpu(n.graph, precision, 96);
      const Root there = root_of(gpu.engine, box, Method::kAlpha, true);
      for (int s = 0; s < 30; ++s) {
        const auto values = reference.values(box.point(draw));
        for (std::size_t v = 0; v < values.size(); ++v) {
          for (std::size_t i = 0; i < values[v].size(); ++i) {
            ASSERT_LE(there.bounds.lo[v][i], values[v][i]) << "node " << v << " element " << i;
            ASSERT_GE(there.bounds.hi[v][i], values[v][i]) << "node " << v << " element " << i;
          }
        }
      }
      for (std::size_t v = 0; v < here.bounds.lo.size(); ++v) {
        for (std::size_t i = 0; i < here.bounds.lo[v].size(); ++i) {
          here_width += here.bounds.hi[v][i] - here.bounds.lo[v][i];
          there_width += there.bounds.hi[v][i] - there.bounds.lo[v][i];
        }
      }
    }
  }
  EXPECT_LT(there_width, 1.005 * here_width);
}

TEST(CudaBound, TwoRunsHaveTheSameBits) {
  SKIP_WITHOUT_DEVICE();
  for (const Named& n : test::random_networks(2)) {
    SCOPED_TRACE(n.name);
    Draw draw(9);
    const TestBox box(draw, n.graph.inputs(), 0.3);
    OnGpu one(n.graph, "tf32", 96);
    OnGpu two(n.graph, "tf32", 96);
    const Root a = root_of(one.engine, box, Method::kAlpha, false);
    const Root b = root_of(two.engine, box, Method::kAlpha, false);
    EXPECT_EQ(a.bounds.lo, b.bounds.lo);
    EXPECT_EQ(a.bounds.hi, b.bounds.hi);
  }
}

/// Dense layers, by turns in a residual block, of whose neurons a third is dead.
Graph partly_dead(std::uint64_t seed) {
  test::Builder b(seed);
  const auto layer = [&](int from, int width) {
    const int v = b.dense(from, width, seed % 2 == 1);
    auto& bias = std::get<Dense>(b.graph.nodes[static_cast<std::size_t>(v)].op).bias;
    for (std::size_t j = 0; j < bias.size(); ++j) {
      if (j % 3 == 0) bias[j] = -100;
    }
    return b.relu(v);
  };
  int u = layer(layer(b.input({1, 1, 20}), 130), 150);
  if (seed % 3 == 2) {
    const int left = b.dense(u, 90);
    u = b.relu(b.sum({left, b.dense(layer(u, 100), 90)}, {1, 0.5}));
  }
  b.dense(layer(u, 140), 6);
  return b.finish();
}

// On a network without its dead neurons rows have the same bounds, and slopes are found for the
// same neurons.
TEST(CudaBound, DeadNeuronsChangeNothing) {
  SKIP_WITHOUT_DEVICE();
  for (std::uint64_t seed = 0; seed < 6; ++seed) {
    SCOPED_TRACE(seed);
    const Graph graph = partly_dead(seed);
    Draw draw(seed);
    const TestBox box(draw, graph.inputs(), 0.05);
    Engine cpu(graph);
    OnGpu gpu(graph, "fp32", 96);
    const Root here = root_of(cpu, box, Method::kCrown, false);
    const Root there = root_of(gpu.engine, box, Method::kCrown, false);
    expect_near(there.bounds, here.bounds, 1e-9);

    RowList list;
    list.node = static_cast<int>(graph.nodes.size()) - 1;
    list.dense.assign(6 * 6, 0.0);
    for (int r = 0; r < 6; ++r) list.dense[r * 7] = r % 2 == 0 ? 1 : -1;
    OptimiseSettings settings;
    settings.iterations = 15;
    settings.stop_positive = false;
    settings.keep_alpha = true;
    const RowBounds a = bound_rows(cpu.context, here, list, settings);
    const RowBounds b = bound_rows(gpu.engine.context, here, list, settings);
    for (std::size_t r = 0; r < a.bound.size(); ++r) {
      EXPECT_NEAR(a.bound[r], b.bound[r], 1e-3 * (1 + std::fabs(a.bound[r])));
    }
    ASSERT_EQ(a.alpha.size(), b.alpha.size());
    for (std::size_t v = 0; v < a.alpha.size(); ++v) {
      ASSERT_EQ(a.alpha[v].size(), b.alpha[v].size()) << "node " << v;
      for (std::size_t i = 0; i < a.alpha[v].size(); ++i) {
        const std::size_t j = i % graph.nodes[v].shape.size();
        // Slopes of stable neurons are their lines'; the others are as good as the bound.
        if (here.relax32.lines[v].free[j] == 0) {
          ASSERT_EQ(a.alpha[v][i], b.alpha[v][i]);
        }
      }
    }
  }
}

// Weights that do not fit beside the rows come from the host, tile by tile.
TEST(CudaBound, WeightsThatDoNotFitStayOnTheHost) {
  SKIP_WITHOUT_DEVICE();
  for (const bool wide : {false, true}) {
    SCOPED_TRACE(wide);
    test::Builder b(wide ? 1 : 2);
    int u = b.input({1, 1, 12});
    for (int layer = 0; layer < 3; ++layer) u = b.relu(b.dense(u, layer == 0 ? 300 : 4000, wide));
    b.dense(u, 4, wide);
    const Graph graph = b.finish();
    Draw draw(3);
    const TestBox box(draw, graph.inputs(), 0.01);
    Engine cpu(graph);
    OnGpu roomy(graph, "fp32", 8);
    // Of 40 MB of weights that remain in float32, 120 with those in double.
    OnGpu tight(graph, "fp32", 8, 1, wide ? 190 : 140);
    const Root root = root_of(cpu, box, Method::kInterval, false);
    RowList list;
    list.node = 7;
    list.dense.assign(4 * 4, 0.0);
    for (int r = 0; r < 4; ++r) list.dense[r * 5] = r % 2 == 0 ? 1 : -1;
    for (const int iterations : {0, 4}) {
      OptimiseSettings settings;
      settings.iterations = iterations;
      const RowBounds here = bound_rows(cpu.context, root, list, settings);
      const RowBounds all = bound_rows(roomy.engine.context, root, list, settings);
      const RowBounds some = bound_rows(tight.engine.context, root, list, settings);
      const double tolerance = iterations == 0 ? 1e-9 : 1e-3;
      for (std::size_t r = 0; r < here.bound.size(); ++r) {
        const double scale = 1 + std::fabs(here.bound[r]);
        EXPECT_NEAR(all.bound[r], here.bound[r], tolerance * scale) << "row " << r;
        EXPECT_NEAR(some.bound[r], here.bound[r], tolerance * scale) << "row " << r;
      }
    }
    const auto most = tight.accelerator->memory();
    EXPECT_LT(most.at("weights"), roomy.accelerator->memory().at("weights"));
  }
}

TEST(CudaBound, SmallChunksAreSound) {
  SKIP_WITHOUT_DEVICE();
  for (const Named& n : test::random_networks(2)) {
    SCOPED_TRACE(n.name);
    Draw draw(10);
    const TestBox box(draw, n.graph.inputs(), 0.3);
    Engine cpu(n.graph);
    OnGpu gpu(n.graph, "fp32", 0.001);
    expect_near(root_of(gpu.engine, box, Method::kCrown, true).bounds,
                root_of(cpu, box, Method::kCrown, true).bounds, 1e-9);
  }
}

}  // namespace
}  // namespace coronet::bound
