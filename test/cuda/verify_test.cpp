// The search from end to end with a GPU: verdicts are those of the CPU, or known beforehand.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "../queries.h"
#include "on_gpu.h"

namespace coronet {
namespace {

/// Is output `output` at least `value` in the whole box of that radius about zero? y_output <=
/// value violates it.
Property at_least(const Graph& graph, double radius, int output, double value) {
  const auto n = static_cast<std::size_t>(graph.inputs());
  Property property =
      test::property_of(graph, {{std::vector<double>(n, -radius), std::vector<double>(n, radius)}});
  property.clauses = {{0, {test::at_most(output, 1, -value)}}};
  return property;
}

/// The least value of an output at many points of the box.
double least_value(const Graph& graph, double radius, int output) {
  test::Draw draw(5);
  double least = HUGE_VAL;
  for (int i = 0; i < 3000; ++i) {
    std::vector<double> x = draw.reals(graph.inputs(), -radius, radius);
    for (double& v : x) v = draw.real(0, 1) < 0.7 ? (v < 0 ? -radius : radius) : v;
    least = std::min(least, evaluate(graph, x)[static_cast<std::size_t>(output)]);
  }
  return least;
}

/// What the root's bounds say of it.
double bound_at_root(const Graph& graph, double radius, int output) {
  test::How how;
  how.branch = "none";
  how.attack = false;
  how.device = "cpu";
  return test::run(graph, at_least(graph, radius, output, 0), how).clauses[0].bound;
}

// Trees of thousands of domains, which the device bounds, as its bytes show.
TEST(CudaVerify, VerdictsAreThoseOfTheCpu) {
  SKIP_WITHOUT_DEVICE();
  constexpr double kRadius = 0.1;
  int held = 0;
  int violated = 0;
  for (std::uint64_t seed = 0; seed < 3; ++seed) {
    const Graph graph = test::mlp(seed, 10, 3, 128, 2);
    const double least = least_value(graph, kRadius, 0);
    const double root = bound_at_root(graph, kRadius, 0);
    for (const double value : {least + 0.02, least - 0.65 * (least - root)}) {
      const Property property = at_least(graph, kRadius, 0, value);
      for (const bool refine : {false, true}) {
        SCOPED_TRACE(testing::Message()
                     << "seed " << seed << " value " << value << " refine " << refine);
        test::How how;
        how.branch = "relu";
        how.seconds = 60;
        how.refine = refine;
        how.device = "cpu";
        const Result here = test::run(graph, property, how);
        how.device = "cuda";
        const Result there = test::run(graph, property, how);
        test::expect_honest(graph, property, there);
        EXPECT_EQ(here.verdict, there.verdict);
        held += there.verdict == Verdict::kHolds;
        violated += there.verdict == Verdict::kViolated;
        if (there.verdict == Verdict::kHolds && !refine) {
          EXPECT_GT(there.memory.at("device domains"), 0U);
        }
      }
    }
  }
  EXPECT_EQ(held, 6);
  EXPECT_EQ(violated, 6);
}

}  // namespace
}  // namespace coronet
