// Rows bounded on a GPU against rows bounded on the CPU, over networks of every kind.
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "bound/root.h"
#include "on_gpu.h"

namespace coronet::bound {
namespace {

using test::Draw;
using test::Engine;
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

void expect_near(const Bounds& a, const Bounds& b, double tolerance) {
  for (std::size_t v = 0; v < a.lo.size(); ++v) {
    for (std::size_t i = 0; i < a.lo[v].size(); ++i) {
      const double scale = 1 + std::fabs(b.lo[v][i]) + std::fabs(b.hi[v][i]);
      ASSERT_NEAR(a.lo[v][i], b.lo[v][i], tolerance * scale) << "node " << v << " element " << i;
      ASSERT_NEAR(a.hi[v][i], b.hi[v][i], tolerance * scale) << "node " << v << " element " << i;
    }
  }
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
