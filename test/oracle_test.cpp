// The oracle: what counts as a counterexample, and where it lies.
#include "search/oracle.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "graphs.h"
#include "search/verify.h"

namespace coronet::search {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();

/// y = x.
Graph identity() {
  test::Builder b(1);
  b.sum({b.input({1, 1, 1})}, {1});
  return b.finish();
}
std::vector<Interval> same(const std::vector<double>& x) { return {x.begin(), x.end()}; }

Property at_most(double margin, bool strict, double lower, double upper) {
  Constraint c;
  c.outputs = {{0, 1}};
  c.constant = -margin;
  c.strict = strict;
  Property p;
  p.inputs = p.outputs = 1;
  p.boxes = {{{lower}, {upper}}};
  p.clauses = {{0, {c}}};
  return p;
}

TEST(Oracle, BareCounterexamplesCountClosedAndNeverStrict) {
  const Graph graph = identity();
  struct Case {
    double margin, at;
    bool strict, clear, accepted;
  };
  // y <= margin at y = at
  const Case cases[] = {{0, 0, false, false, true},       {0, 0, true, false, false},
                        {0.5, 0.5, false, false, true},   {0.5, 0.5, true, false, false},
                        {0.5, 0.25, false, true, true},   {0.5, 0.25, true, true, true},
                        {0.5, 0.75, false, false, false}, {0, 1e-30, false, false, false},
                        {0, -1e-30, false, true, true},   {0, -1e-30, true, true, true}};
  for (const Case& c : cases) {
    SCOPED_TRACE(testing::Message() << c.at << (c.strict ? " < " : " <= ") << c.margin);
    const Property property = at_most(c.margin, c.strict, -1, 1);
    Oracle oracle(graph, property, same);
    const float x = static_cast<float>(c.at);
    const bool clear = oracle.offer(0, &x);
    if (c.at != 0) {
      EXPECT_EQ(clear, c.clear);
    }
    EXPECT_EQ(oracle.best().has_value(), c.accepted);
    if (!c.accepted) {
      EXPECT_FALSE(oracle.found());
    } else {
      EXPECT_EQ(oracle.best()->input, oracle.best()->output);
      EXPECT_EQ(oracle.best()->input[0], static_cast<double>(x));
    }
  }
}

TEST(Oracle, AClearCounterexampleReplacesABareOne) {
  const Graph graph = identity();
  const Property property = at_most(0.5, false, -1, 1);
  Oracle oracle(graph, property, same);
  for (const float x : {0.75F, 0.5F, 0.25F, 0.125F}) oracle.offer(0, &x);
  ASSERT_TRUE(oracle.found());
  EXPECT_EQ(oracle.best()->input[0], 0.25);
}

TEST(Oracle, PointsAreMovedIntoTheBox) {
  const Graph graph = identity();
  const Property property = at_most(10, false, 0.25, 0.5);
  for (const float x : {-3.0F, 0.3F, 7.0F, std::nanf(""), HUGE_VALF, -HUGE_VALF}) {
    Oracle oracle(graph, property, same);
    EXPECT_TRUE(oracle.offer(0, &x));
    EXPECT_GE(oracle.best()->input[0], 0.25);
    EXPECT_LE(oracle.best()->input[0], 0.5);
  }
}

TEST(Oracle, NetworksWithoutANumberHaveNoCounterexample) {
  const Graph graph = identity();
  const Property property = at_most(1, false, -1, 1);
  Oracle oracle(graph, property,
                [](const std::vector<double>&) { return std::vector<Interval>{std::nan("")}; });
  const float x = 0;
  EXPECT_FALSE(oracle.offer(0, &x));
  EXPECT_FALSE(oracle.best().has_value());
}

// The whole search: y <= 0 touched in one point is violated in the end, y < 0 is not.
TEST(Oracle, TouchedConstraintsEndToEnd) {
  const Graph graph = identity();
  for (const char* branch : {"relu", "input"}) {
    for (const bool attack : {true, false}) {
      for (const bool strict : {true, false}) {
        SCOPED_TRACE(testing::Message() << branch << attack << strict);
        const Property property = at_most(0, strict, 0, 1);
        Options options;
        options.timeout = elapsed_seconds() + 0.1;
        options.threads = 1;
        options.branch = branch;
        options.attack = attack;
        Tracer tracer;
        const Result result = verify(graph, property, same, options, tracer);
        if (strict) {
          EXPECT_NE(result.verdict, Verdict::kViolated);
        } else {
          EXPECT_NE(result.verdict, Verdict::kHolds);
          if (attack) {
            ASSERT_EQ(result.verdict, Verdict::kViolated) << result.reason;
            EXPECT_EQ(result.counterexample.input[0], 0);
          }
        }
      }
    }
  }
}

TEST(Inside, AFloat32WhereThereIsOne) {
  test::Draw draw(1);
  int without = 0;
  for (int repeat = 0; repeat < 20000; ++repeat) {
    const double centers[] = {0, draw.real(-1, 1), draw.real(-1, 1), 1e-40, 3e30, -1e-46};
    const double c = centers[draw.whole(0, 5)];
    double lo = c;
    double hi = c;
    if (draw.whole(0, 1) == 0) {
      for (int i = draw.whole(0, 3); i > 0; --i) lo = std::nextafter(lo, -kInf);
      for (int i = draw.whole(0, 3); i > 0; --i) hi = std::nextafter(hi, kInf);
    } else {
      hi += std::fabs(c) * draw.real(0, 1) * std::pow(10.0, draw.whole(-9, 0));
    }
    const double near[] = {lo, hi, (lo + hi) / 2, draw.real(-2, 2), 1e38, -1e38, 0};
    const auto x = static_cast<float>(near[draw.whole(0, 6)]);
    const double y = inside(x, lo, hi);
    SCOPED_TRACE(testing::Message() << x << " into " << lo << ".." << hi);
    ASSERT_GE(y, lo);
    ASSERT_LE(y, hi);
    auto first = static_cast<float>(lo);
    if (static_cast<double>(first) < lo) first = std::nextafter(first, HUGE_VALF);
    if (static_cast<double>(first) <= hi) {
      ASSERT_EQ(static_cast<double>(static_cast<float>(y)), y);
      if (x >= lo && x <= hi) {
        ASSERT_EQ(y, static_cast<double>(x));
      }
    } else {
      ++without;
    }
  }
  EXPECT_GT(without, 1000);
}

TEST(Inside, NumbersThatAreNone) {
  const double between = 0.1;  // no float32
  for (const float x : {std::nanf(""), HUGE_VALF, -HUGE_VALF}) {
    for (const double end : {between, std::nextafter(between, 1.0), 0.5}) {
      SCOPED_TRACE(testing::Message() << x << " up to " << end);
      const double y = inside(x, between, end);
      EXPECT_GE(y, between);
      EXPECT_LE(y, end);
    }
  }
}

}  // namespace
}  // namespace coronet::search
