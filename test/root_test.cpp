// Bounds of every node at the root: sound, each method at least as tight as the one before.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "base/error.h"
#include "bound/root.h"
#include "graphs.h"

namespace coronet::bound {
namespace {

using test::Builder;
using test::Draw;
using test::Engine;
using test::Named;
using test::Reference;
using test::TestBox;

Root root_of(Engine& engine, const TestBox& box, Method method, bool all_neurons = false,
             const Bounds* known = nullptr) {
  RootSettings settings;
  settings.method = method;
  settings.iterations = 15;
  settings.all_neurons = all_neurons;
  settings.known = known;
  return bound_root(engine.context, box.lower, box.upper, settings);
}

void expect_contains(const Bounds& bounds, const std::vector<std::vector<long double>>& values) {
  for (std::size_t v = 0; v < values.size(); ++v) {
    for (std::size_t i = 0; i < values[v].size(); ++i) {
      ASSERT_LE(bounds.lo[v][i], values[v][i]) << "node " << v << " element " << i;
      ASSERT_GE(bounds.hi[v][i], values[v][i]) << "node " << v << " element " << i;
    }
  }
}

double width(const Bounds& bounds) {
  double sum = 0;
  for (std::size_t v = 0; v < bounds.lo.size(); ++v) {
    for (std::size_t i = 0; i < bounds.lo[v].size(); ++i) sum += bounds.hi[v][i] - bounds.lo[v][i];
  }
  return sum;
}

/// a lies within b, up to the margins for rounding.
void expect_within(const Bounds& a, const Bounds& b) {
  for (std::size_t v = 0; v < a.lo.size(); ++v) {
    for (std::size_t i = 0; i < a.lo[v].size(); ++i) {
      const double slack = 1e-9 * (1 + std::fabs(b.lo[v][i]) + std::fabs(b.hi[v][i]));
      ASSERT_GE(a.lo[v][i], b.lo[v][i] - slack) << "node " << v << " element " << i;
      ASSERT_LE(a.hi[v][i], b.hi[v][i] + slack) << "node " << v << " element " << i;
    }
  }
}

TEST(Root, EveryMethodIsSoundAndNoneLooserThanTheOneBefore) {
  double interval_width = 0;
  double crown_width = 0;
  double alpha_width = 0;
  for (const Named& n : test::random_networks(4)) {
    SCOPED_TRACE(n.name);
    const Reference reference(n.graph);
    Draw draw(1);
    for (const double radius : {0.05, 0.4}) {
      SCOPED_TRACE(radius);
      const TestBox box(draw, n.graph.inputs(), radius);
      Engine engine(n.graph);
      const Root interval = root_of(engine, box, Method::kInterval);
      const Root crown = root_of(engine, box, Method::kCrown);
      const Root alpha = root_of(engine, box, Method::kAlpha, false, &crown.bounds);
      const Root all = root_of(engine, box, Method::kAlpha, true);
      for (int s = 0; s < 20; ++s) {
        const auto values = reference.values(box.point(draw));
        for (const Root* root : {&interval, &crown, &alpha, &all})
          expect_contains(root->bounds, values);
        if (HasFatalFailure()) return;
      }
      for (const Root* root : {&interval, &crown, &alpha, &all}) EXPECT_FALSE(root->timed_out);
      expect_within(crown.bounds, interval.bounds);
      expect_within(alpha.bounds, crown.bounds);
      interval_width += width(interval.bounds);
      crown_width += width(crown.bounds);
      alpha_width += width(alpha.bounds);
      EXPECT_LE(count_unstable(n.graph, crown.bounds), count_unstable(n.graph, interval.bounds));
      EXPECT_LE(count_unstable(n.graph, alpha.bounds), count_unstable(n.graph, crown.bounds));
    }
  }
  EXPECT_LT(crown_width, 0.95 * interval_width);
  EXPECT_LT(alpha_width, 0.99 * crown_width);
}

TEST(Root, BitsDoNotDependOnThreadsOrChunks) {
  for (const Named& n : test::random_networks(2)) {
    SCOPED_TRACE(n.name);
    Draw draw(2);
    const TestBox box(draw, n.graph.inputs(), 0.3);
    Engine one(n.graph, 1);
    Engine three(n.graph, 3);
    three.options.chunk_mib = 0.01;
    const Root a = root_of(one, box, Method::kAlpha, true);
    const Root b = root_of(three, box, Method::kAlpha, true);
    EXPECT_EQ(a.bounds.lo, b.bounds.lo);
    EXPECT_EQ(a.bounds.hi, b.bounds.hi);
  }
}

TEST(Root, PassedDeadlineIsSaidAndStillSound) {
  for (const Named& n : test::random_networks(2)) {
    SCOPED_TRACE(n.name);
    const Reference reference(n.graph);
    Draw draw(3);
    const TestBox box(draw, n.graph.inputs(), 0.4);
    Engine engine(n.graph, 1, 0.0);
    const Root root = root_of(engine, box, Method::kAlpha, true);
    EXPECT_TRUE(root.timed_out);
    for (int s = 0; s < 20; ++s) expect_contains(root.bounds, reference.values(box.point(draw)));
    RowList list;
    list.node = engine.net64.nodes() - 1;
    list.dense.assign(static_cast<std::size_t>(n.graph.outputs()), 1.0);
    const RowBounds rows = bound_rows(engine.context, root, list, {});
    EXPECT_TRUE(rows.timed_out);
    EXPECT_EQ(rows.bound[0], -HUGE_VAL);
  }
}

TEST(Root, RowsOfTheOutputAreSoundAndClimb) {
  for (const Named& n : test::random_networks(4)) {
    SCOPED_TRACE(n.name);
    const Reference reference(n.graph);
    Draw draw(4);
    const TestBox box(draw, n.graph.inputs(), 0.3);
    Engine engine(n.graph);
    const Root root = root_of(engine, box, Method::kCrown);
    const auto outputs = static_cast<std::size_t>(n.graph.outputs());
    const auto inputs = static_cast<std::size_t>(n.graph.inputs());
    for (const bool with_input : {false, true}) {
      RowList list;
      list.node = engine.net64.nodes() - 1;
      for (std::size_t i = 0; i < 5 * outputs; ++i) list.dense.push_back(draw.real(-1, 1));
      for (std::size_t i = 0; with_input && i < 5 * inputs; ++i)
        list.input.push_back(draw.real(-1, 1));
      list.constant = draw.reals(5, -1, 1);
      OptimiseSettings settings;
      settings.stop_positive = false;
      const RowBounds crown = bound_rows(engine.context, root, list, settings);
      settings.iterations = 20;
      settings.keep_alpha = true;
      const RowBounds alpha = bound_rows(engine.context, root, list, settings);
      for (std::size_t r = 0; r < 5; ++r) {
        EXPECT_GE(alpha.bound[r], crown.bound[r] - 1e-5 * (1 + std::fabs(crown.bound[r])));
        for (int s = 0; s < 40; ++s) {
          const std::vector<double> x = box.point(draw);
          const auto y = reference.values(x).back();
          long double f = list.constant[r];
          for (std::size_t j = 0; j < outputs; ++j) f += list.dense[r * outputs + j] * y[j];
          for (std::size_t j = 0; with_input && j < inputs; ++j)
            f += static_cast<long double>(list.input[r * inputs + j]) * x[j];
          ASSERT_LE(crown.bound[r], f);
          ASSERT_LE(alpha.bound[r], f);
        }
      }
      for (const AlignedVector<float>& each : alpha.alpha) {
        for (const float a : each) {
          ASSERT_GE(a, 0);
          ASSERT_LE(a, 1);
        }
      }
    }
  }
}

// Slopes are optimised in float. Where the negative slope is no float32 number, one that float
// rounds down is no lower line.
TEST(Root, SlopesThatNoFloatHoldsStaySound) {
  for (const double slope : {0.01, 0.05, 0.1, 0.3, 0.7, 0.9}) {
    for (const bool split_sign : {false, true}) {
      SCOPED_TRACE(slope);
      Builder b(1);
      Weight one;
      one.d = {1};
      b.input({1, 1, 1});
      b.add(Relu{slope}, {0}, {1, 1, 1});
      b.add(Dense{1, 1, one, {0.0}}, {1}, {1, 1, 1});
      const Graph graph = b.finish();
      Engine engine(graph);
      const double upper = split_sign ? 0.001 : -1;
      for (const Method method : {Method::kCrown, Method::kAlpha}) {
        RootSettings root_settings;
        root_settings.method = method;
        const Root root = bound_root(engine.context, {-2}, {upper}, root_settings);
        RowList list;
        list.node = 2;
        list.dense = {1.0};
        OptimiseSettings settings;
        settings.stop_positive = false;
        settings.iterations = method == Method::kAlpha ? 50 : 0;
        const RowBounds rows = bound_rows(engine.context, root, list, settings);
        // The minimum is at -2.
        EXPECT_LE(static_cast<long double>(rows.bound[0]), static_cast<long double>(slope) * -2);
        EXPECT_NEAR(rows.bound[0], slope * -2, 1e-6);
      }
    }
  }
}

TEST(Root, NamesOfMethods) {
  EXPECT_EQ(method_of("interval"), Method::kInterval);
  EXPECT_EQ(method_of("crown"), Method::kCrown);
  EXPECT_EQ(method_of("alpha"), Method::kAlpha);
  EXPECT_THROW(method_of("magic"), Error);
}

}  // namespace
}  // namespace coronet::bound
