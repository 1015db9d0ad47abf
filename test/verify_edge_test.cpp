// The search where little decides: margins of nothing, empty queries, several boxes, numbers that
// are none.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "bound/root.h"
#include "graph/evaluate.h"
#include "graphs.h"
#include "queries.h"
#include "search/spec.h"
#include "search/verify.h"

namespace coronet::search {
namespace {

using test::absolute;
using test::at_most;
using test::Builder;
using test::Draw;
using test::expect_honest;
using test::How;
using test::Named;
using test::property_of;
using test::random_box;
using test::random_point;
using test::run;
using test::tiny_networks;
using test::value_of;

TEST(Verify, MarginsOfNothingAreNeverDecidedWrongly) {
  const Graph graph = absolute();
  struct Case {
    double margin;
    bool strict;
    bool truly_violated;
  };
  // |x| <= margin (or <): at x = 0 if anywhere.
  const Case cases[] = {{0, false, true},    {0, true, false},       {1e-12, false, true},
                        {1e-12, true, true}, {-1e-12, false, false}, {-1e-12, true, false},
                        {1e-30, true, true}, {-1e-30, false, false}, {-1e-300, false, false}};
  for (const Case& c : cases) {
    // A box around zero that has zero as no end nor middle, and one that ends there.
    for (const double lower : {-0.7, 0.0}) {
      for (const char* branch : {"relu", "input"}) {
        for (const bool attack : {false, true}) {
          SCOPED_TRACE(testing::Message() << c.margin << (c.strict ? " strict " : " ") << branch
                                          << " from " << lower << " attack " << attack);
          Property property = property_of(graph);
          property.boxes.push_back({{lower}, {1.1}});
          property.clauses.push_back({0, {at_most(0, 1, -c.margin, c.strict)}});
          How how{branch};
          how.attack = attack;
          how.seconds = 0.05;
          const Result result = run(graph, property, how);
          expect_honest(graph, property, result);
          EXPECT_NE(result.verdict, c.truly_violated ? Verdict::kHolds : Verdict::kViolated);
        }
      }
    }
  }
}

// x <= -0.1 and -x <= -0.1: each constraint can be met, both cannot; only their sum says so.
TEST(Verify, ConjunctionsThatOnlyTogetherAreImpossible) {
  const Graph graph = absolute();
  for (const char* branch : {"relu", "input"}) {
    for (const bool attack : {false, true}) {
      SCOPED_TRACE(branch);
      Property property = property_of(graph);
      property.boxes.push_back({{-1.0}, {0.9}});
      property.clauses.push_back({0, {at_most(1, 1, 0.1), at_most(1, -1, 0.1)}});
      How how{branch};
      how.attack = attack;
      Result result = run(graph, property, how);
      EXPECT_EQ(result.verdict, Verdict::kHolds) << result.reason;
      // With uneven weights, and with the input instead of the output.
      property.clauses = {{0, {at_most(1, 0.25, 0.1), at_most(1, -8, 0.1)}}};
      Constraint by_input;
      by_input.inputs = {{0, -1}};
      by_input.constant = 0.1;
      property.clauses.push_back({0, {at_most(1, 1, 0.1), by_input}});
      result = run(graph, property, how);
      EXPECT_EQ(result.verdict, Verdict::kHolds) << result.reason;
      // |x| >= 0.5 and |x| <= 0.4
      property.clauses = {{0, {at_most(0, -1, 0.5), at_most(0, 1, -0.4)}}};
      EXPECT_EQ(run(graph, property, how).verdict, Verdict::kHolds);
      // |x| >= 0.4 and |x| <= 0.5 is possible.
      property.clauses = {{0, {at_most(0, -1, 0.4), at_most(0, 1, -0.5)}}};
      result = run(graph, property, {branch});
      EXPECT_EQ(result.verdict, Verdict::kViolated) << result.reason;
      expect_honest(graph, property, result);
    }
  }
}

/// Frees memory full of a number, for the search to be given again.
void dirty_memory(double with) {
  std::vector<AlignedVector<double>> blocks;
  for (std::size_t size = 1; size <= 64; ++size) {
    for (int i = 0; i < 40; ++i) blocks.emplace_back(size, with);
  }
}

// Clauses with input terms beside clauses without: what the latter lack is zero, whatever memory
// held before.
TEST(Verify, ClausesWithAndWithoutInputTermsDoNotMix) {
  int tried = 0;
  for (const Named& n : tiny_networks()) {
    SCOPED_TRACE(n.name);
    Draw draw(8);
    for (int repeat = 0; repeat < 4; ++repeat) {
      Property property = property_of(n.graph);
      property.boxes.push_back(random_box(draw, property.inputs));
      // Met by a quarter of the outputs; and one that nothing meets.
      const std::vector<double> x = random_point(draw, property.boxes[0]);
      Constraint met = at_most(0, repeat % 2 == 0 ? 1 : -1, 0);
      met.constant = -value_of(met, x, evaluate(n.graph, x)) - 0.01;
      Constraint never = at_most(1, 1, 1e4);
      never.inputs = {{0, 1}, {1, -2}};
      property.clauses = {{0, {met}}, {0, {never}}};
      for (const char* method : {"interval", "crown", "alpha"}) {
        for (const double dirt : {1e200, -1e200, 1e3}) {
          dirty_memory(dirt);
          const Result result = run(n.graph, property, {"relu", method, false});
          ASSERT_NE(result.verdict, Verdict::kHolds)
              << method << ", bound " << result.clauses[0].bound;
          expect_honest(n.graph, property, result);
          ++tried;
        }
      }
    }
  }
  EXPECT_GT(tried, 400);
}

// A box that stays open says nothing about the others.
TEST(Verify, OneUndecidedBoxDoesNotHideAViolatedOne) {
  const Graph graph = absolute();
  for (const bool first : {true, false}) {
    Property property = property_of(graph);
    property.boxes = {{{-0.7}, {1.1}}, {{0.2}, {0.8}}};
    // |x| <= -1e-30 on the one, which no arithmetic of doubles decides; |x| <= 0.5 on the other.
    property.clauses = {{0, {at_most(0, 1, 1e-30)}}, {1, {at_most(0, 1, -0.5)}}};
    if (first) {
      std::swap(property.boxes[0], property.boxes[1]);
      property.clauses[0].box = 1;
      property.clauses[1].box = 0;
    }
    const Result result = run(graph, property, {"relu", "crown", false});
    EXPECT_EQ(result.verdict, Verdict::kViolated) << result.reason;
    expect_honest(graph, property, result);
  }
}

TEST(Verify, EmptyQueriesAndClauses) {
  const Graph graph = absolute();
  for (const char* branch : {"relu", "input", "auto", "none"}) {
    Property property = property_of(graph);
    property.boxes.push_back({{-1.0}, {1.0}});
    EXPECT_EQ(run(graph, property, {branch}).verdict, Verdict::kHolds)
        << "nothing satisfies no clause";
    property.clauses.push_back({0, {}});
    const Result result = run(graph, property, {branch});
    EXPECT_EQ(result.verdict, Verdict::kViolated) << "any point satisfies an empty clause";
    expect_honest(graph, property, result);
  }
}

TEST(Verify, SeveralBoxesAreAllLookedAt) {
  const Graph graph = absolute();
  for (const char* branch : {"relu", "input", "auto"}) {
    SCOPED_TRACE(branch);
    Property property = property_of(graph);
    property.boxes = {{{-1.0}, {-0.5}}, {{0.5}, {1.0}}, {{0.2}, {0.3}}};
    property.clauses = {{0, {at_most(0, 1, -0.4)}}, {1, {at_most(0, 1, -0.4)}}};
    EXPECT_EQ(run(graph, property, {branch}).verdict, Verdict::kHolds);
    property.clauses.push_back({2, {at_most(0, 1, -0.4)}});
    const Result result = run(graph, property, {branch});
    ASSERT_EQ(result.verdict, Verdict::kViolated);
    EXPECT_GE(result.counterexample.input[0], 0.2);
    EXPECT_LE(result.counterexample.input[0], 0.3);
  }
}

TEST(Verify, NumbersThatAreNoneNeverHold) {
  constexpr double kInf = std::numeric_limits<double>::infinity();
  for (const double bad : {std::nan(""), kInf, -kInf, 1e308}) {
    for (const int where : {0, 1, 2, 3}) {
      Builder b(3);
      const int x = b.input({1, 1, 2});
      const int first = b.dense(x, 4, true);
      const int second = b.dense(b.relu(first), 3, true);
      const int last = b.dense(b.relu(second), 2, true);
      Graph graph = b.finish();
      auto& dense = std::get<Dense>(
          graph.nodes[static_cast<std::size_t>(where == 0   ? first
                                               : where == 1 ? second
                                                            : last)]
              .op);
      if (where == 3) {
        dense.bias[0] = bad;
      } else {
        dense.weight.d[1] = bad;
      }
      for (const char* branch : {"relu", "input", "none"}) {
        for (const double sign : {1.0, -1.0}) {
          SCOPED_TRACE(testing::Message()
                       << bad << " at " << where << ' ' << branch << ' ' << sign);
          Property property = property_of(graph);
          property.boxes.push_back({{-1.0, -1.0}, {1.0, 1.0}});
          // A finite bound that only a finite network could keep.
          Constraint c = at_most(0, sign, sign * bad > 0 ? -1e300 : 1);
          if (where == 0 || where == 1) c = at_most(0, sign, 1e3);
          property.clauses.push_back({0, {c}});
          How how{branch};
          how.seconds = 0.04;
          const Result result = run(graph, property, how);
          expect_honest(graph, property, result);
          const bool finite = std::isfinite(bad);
          if (!finite) {
            EXPECT_NE(result.verdict, Verdict::kHolds);
          }
        }
      }
    }
  }
}

// Bounds that overflow on one side only: sigmoid(1.9e308 x) is all but 1 for most x of the box.
TEST(Verify, OverflowOnOneSideRefutesNothing) {
  for (const Operator& f : {Operator{Sigmoid{}}, Operator{Tanh{}}, Operator{Relu{}}}) {
    for (const bool mirrored : {false, true}) {
      Builder b(1);
      const Shape one{1, 1, 1};
      const double sign = mirrored ? -1 : 1;
      int v = b.input(one);
      for (const double w : {1e308, 1.9 * sign}) {
        Dense dense{1, 1, {}, {0.0}};
        dense.weight.d = {w};
        v = b.add(dense, {v}, one);
      }
      b.add(f, {v}, one);
      const Graph graph = b.finish();
      Property property = property_of(graph);
      property.boxes.push_back({{0.0}, {1.0}});
      property.clauses.push_back({0, {at_most(0, -sign, mirrored ? -0.4 : 0.9)}});
      for (const char* branch : {"relu", "input", "none"}) {
        SCOPED_TRACE(testing::Message() << f.index() << ' ' << mirrored << ' ' << branch);
        How how{branch};
        how.seconds = 0.05;
        const Result result = run(graph, property, how);
        EXPECT_NE(result.verdict, Verdict::kHolds);
      }
    }
  }
}

// 0.6 * 10 - 8 is negative in any unit, also in those that an LP solver fails on.
TEST(Verify, NumbersOfAnySizeReachTheLeaves) {
  for (const double w : {1e-310, 1e-200, 1e150, 1e300}) {
    Builder b(1);
    Dense dense{10, 1, {}, {-8 * w}};
    dense.weight.d.assign(10, w);
    const int x = b.relu(b.input({1, 1, 10}));
    b.add(dense, {x}, {1, 1, 1});
    const Graph graph = b.finish();
    for (const double width : {0.0, 1.0}) {
      SCOPED_TRACE(testing::Message() << w << ' ' << width);
      Property property = property_of(
          graph, {{std::vector<double>(10, 0.6 - width), std::vector<double>(10, 0.6)}});
      property.clauses.push_back({0, {at_most(0, 1, 0)}});
      How how{"relu"};
      how.attack = false;
      how.seconds = 0.05;
      EXPECT_NE(run(graph, property, how).verdict, Verdict::kHolds);
    }
  }
}

// 1000 products of 0.6 units of the least double, each rounded to one, less 800 of them: -200
// units, which doubles take for 200.
TEST(Verify, ProductsBelowTheNormalNumbersRefuteNothing) {
  constexpr double kLeast = std::numeric_limits<double>::denorm_min();
  constexpr int kInputs = 1000;
  for (const bool through_relu : {false, true}) {
    Builder b(1);
    Dense dense{kInputs, 1, {}, {-800 * kLeast}};
    dense.weight.d.assign(kInputs, kLeast);
    int v = b.input({1, 1, kInputs});
    if (through_relu) v = b.relu(v);
    b.add(dense, {v}, {1, 1, 1});
    const Graph graph = b.finish();
    const std::vector<double> x(kInputs, 0.6);
    Property property = property_of(graph, {{x, x}});
    property.clauses.push_back({0, {at_most(0, 1, 0)}});
    for (const char* branch : {"relu", "input", "none"}) {
      SCOPED_TRACE(testing::Message() << through_relu << ' ' << branch);
      How how{branch};
      how.attack = false;
      how.seconds = 0.05;
      EXPECT_NE(run(graph, property, how).verdict, Verdict::kHolds);
    }
  }
}

TEST(Verify, PassedDeadlineIsATimeout) {
  const Graph graph = test::mlp(3, 6, 3, 20, 3);
  Property property = property_of(graph);
  property.boxes.push_back({std::vector<double>(6, -1.0), std::vector<double>(6, 1.0)});
  property.clauses.push_back({0, {at_most(0, 1, 1e6)}});
  property.clauses[0].constraints[0].constant = 50;
  for (const char* branch : {"relu", "input"}) {
    How how{branch};
    how.attack = false;
    how.seconds = -0.001;
    const Result result = run(graph, property, how);
    EXPECT_EQ(result.verdict, Verdict::kTimeout);
    EXPECT_FALSE(result.reason.empty());
  }
}

}  // namespace
}  // namespace coronet::search
