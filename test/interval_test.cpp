// Interval bounds contain what the network computes.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "bound/interval.h"
#include "graph/evaluate.h"
#include "graphs.h"

namespace coronet::bound {
namespace {

using test::Draw;
using test::Named;
using test::Reference;
using test::TestBox;

void expect_contained(const Graph& graph, const std::vector<TestBox>& boxes, int samples,
                      std::uint64_t seed) {
  const Network<double> net(graph, 1 << 20);
  const Reference reference(graph);
  std::vector<double> lo;
  std::vector<double> hi;
  for (const TestBox& b : boxes) {
    lo.insert(lo.end(), b.lower.begin(), b.lower.end());
    hi.insert(hi.end(), b.upper.begin(), b.upper.end());
  }
  const Bounds bounds = interval_bounds(net, static_cast<int>(boxes.size()), lo, hi);
  Draw draw(seed);
  for (std::size_t d = 0; d < boxes.size(); ++d) {
    for (int s = 0; s < samples; ++s) {
      const std::vector<double> x = boxes[d].point(draw);
      const auto values = reference.values(x);
      for (std::size_t v = 0; v < values.size(); ++v) {
        for (std::size_t i = 0; i < values[v].size(); ++i) {
          const std::size_t at = d * values[v].size() + i;
          ASSERT_LE(bounds.lo[v][at], values[v][i]) << "node " << v << " element " << i;
          ASSERT_GE(bounds.hi[v][at], values[v][i]) << "node " << v << " element " << i;
        }
      }
    }
  }
}

std::vector<TestBox> boxes_of(int inputs, std::uint64_t seed) {
  Draw draw(seed);
  std::vector<TestBox> boxes;
  for (const double radius : {0.0, 1e-12, 1e-3, 0.3, 5.0, 1e8})
    boxes.emplace_back(draw, inputs, radius);
  return boxes;
}

TEST(Interval, ContainsEveryOperator) {
  for (const Named& n : test::all_operators()) {
    SCOPED_TRACE(n.name);
    expect_contained(n.graph, boxes_of(n.graph.inputs(), 1), 8, 2);
  }
}

TEST(Interval, ContainsRandomNetworks) {
  for (const Named& n : test::random_networks(6)) {
    SCOPED_TRACE(n.name);
    expect_contained(n.graph, boxes_of(n.graph.inputs(), 3), 6, 4);
  }
}

TEST(Interval, OfOneAffineStepIsExact) {
  for (const Named& n : test::all_operators()) {
    const Reference reference(n.graph);
    const Network<double> net(n.graph, 0);
    const int v = net.nodes() - 1;
    if (v != 1 || net.elementwise(v)) continue;
    SCOPED_TRACE(n.name);
    Draw draw(5);
    const TestBox box(draw, n.graph.inputs(), 0.5);
    const Bounds bounds = interval_bounds(net, 1, box.lower, box.upper);
    for (std::size_t i = 0; i < bounds.lo[1].size(); ++i) {
      double lo = reference.bias(v)[i];
      double hi = lo;
      for (const auto& e : reference.matrix(v, 0)[i]) {
        const auto j = static_cast<std::size_t>(e.from);
        lo += e.value * (e.value > 0 ? box.lower[j] : box.upper[j]);
        hi += e.value * (e.value > 0 ? box.upper[j] : box.lower[j]);
      }
      EXPECT_NEAR(bounds.lo[1][i], lo, 1e-11);
      EXPECT_NEAR(bounds.hi[1][i], hi, 1e-11);
    }
  }
}

TEST(Interval, OverflowAndNanAreInfinite) {
  for (const double weight : {1e308, std::numeric_limits<double>::infinity(), std::nan("")}) {
    Graph graph;
    graph.nodes.push_back({Input{}, {}, {1, 1, 2}, "x"});
    Weight w;
    w.d = {weight, weight};
    graph.nodes.push_back({Dense{2, 1, w, {0.0}}, {0}, {1, 1, 1}, "y"});
    graph.input_order = {0, 1};
    graph.output_order = {0};
    const Network<double> net(graph, 0);
    const Bounds bounds = interval_bounds(net, 1, {-10, -10}, {10, 20});
    EXPECT_EQ(bounds.lo[1][0], -std::numeric_limits<double>::infinity());
    EXPECT_EQ(bounds.hi[1][0], std::numeric_limits<double>::infinity());
  }
}

// The evaluation that judges counterexamples agrees with the judge of these tests.
TEST(Interval, EvaluationAgreesWithTheJudge) {
  for (const Named& n : test::random_networks(4)) {
    SCOPED_TRACE(n.name);
    const Reference reference(n.graph);
    Draw draw(6);
    for (int s = 0; s < 3; ++s) {
      const std::vector<double> x = draw.reals(n.graph.inputs(), -1, 1);
      const auto judged = reference.values(x);
      const auto values = evaluate_nodes(n.graph, test::to_onnx(n.graph, x));
      for (std::size_t v = 0; v < values.size(); ++v) {
        for (std::size_t i = 0; i < values[v].size(); ++i) {
          ASSERT_NEAR(values[v][i], static_cast<double>(judged[v][i]),
                      1e-11 * (1 + std::fabs(values[v][i])));
        }
      }
    }
  }
}

}  // namespace
}  // namespace coronet::bound
