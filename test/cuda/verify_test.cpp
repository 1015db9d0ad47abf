// The search from end to end with a GPU: verdicts are those of the CPU, or known beforehand.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "on_gpu.h"
#include "outputs.h"

namespace coronet {
namespace {

// Trees of thousands of domains, which the device bounds, as its bytes show.
TEST(CudaVerify, VerdictsAreThoseOfTheCpu) {
  SKIP_WITHOUT_DEVICE();
  constexpr double kRadius = 0.1;
  int held = 0;
  int violated = 0;
  for (std::uint64_t seed = 0; seed < 3; ++seed) {
    const Graph graph = test::mlp(seed, 10, 3, 128, 2);
    const double least = test::least_value(graph, kRadius, 0);
    const double root = test::bound_at_root(graph, kRadius, 0);
    for (const double value : {least + 0.02, least - 0.65 * (least - root)}) {
      const Property property = test::at_least(graph, kRadius, 0, value);
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
