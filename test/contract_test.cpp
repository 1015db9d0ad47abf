// Constraint propagation: no violating point of the box is lost.
#include "search/contract.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

#include "graphs.h"

namespace coronet::search {
namespace {

using test::Builder;
using test::Engine;
using test::Reference;
using Values = std::vector<std::vector<long double>>;

ClauseRows clause_of(int outputs, const std::vector<std::vector<double>>& rows,
                     const std::vector<double>& constant) {
  ClauseRows c;
  c.count = static_cast<int>(rows.size());
  for (const auto& r : rows) c.output.insert(c.output.end(), r.begin(), r.end());
  EXPECT_EQ(c.output.size(), rows.size() * static_cast<std::size_t>(outputs));
  c.constant = constant;
  c.strict.assign(rows.size(), 0);
  return c;
}

bool violates(const ClauseRows& c, const std::vector<long double>& y) {
  for (std::size_t i = 0; i < c.constant.size(); ++i) {
    long double sum = c.constant[i];
    for (std::size_t j = 0; j < y.size(); ++j) sum += c.output[i * y.size() + j] * y[j];
    if (sum > 0) return false;
  }
  return true;
}

/// Are all nodes' values at a point still within domain d's bounds?
bool contained(const bound::Bounds& bounds, std::size_t d, const Values& values) {
  for (std::size_t v = 0; v < values.size(); ++v) {
    for (std::size_t j = 0; j < values[v].size(); ++j) {
      const std::size_t at = d * values[v].size() + j;
      const long double slack = v == 0 ? 0 : 1e-14L * (1 + std::fabs(values[v][j]));
      if (values[v][j] < bounds.lo[v][at] - slack || values[v][j] > bounds.hi[v][at] + slack) {
        return false;
      }
    }
  }
  return true;
}

TEST(Contract, NoViolatingPointIsLost) {
  int smaller = 0;
  int all = 0;
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(seed);
    const int layers = static_cast<int>(seed % 4);
    const int slope = seed % 5 == 4 ? 1 : 0;  // LeakyReLU passes nothing on
    const Graph graph = test::mlp(seed, 3, layers, 6, 3, slope);
    const Reference reference(graph);
    const Engine engine(graph);
    const Contractor contractor(engine.net64);
    EXPECT_TRUE(contractor.useful());
    test::Draw draw(seed + 77);
    for (int repeat = 0; repeat < 10; ++repeat) {
      std::vector<test::TestBox> boxes{{draw, 3, 1}, {draw, 3, 0.3}};
      if (repeat % 4 == 0) boxes[1].upper[1] = boxes[1].lower[1];
      std::vector<double> lo;
      std::vector<double> hi;
      for (const auto& b : boxes) {
        lo.insert(lo.end(), b.lower.begin(), b.lower.end());
        hi.insert(hi.end(), b.upper.begin(), b.upper.end());
      }
      // The clause holds with equality at one point of the second box, low in the first row.
      std::vector<std::vector<double>> rows;
      const std::vector<double> low = draw.reals(3, -1, 1);
      Values values;
      long double least = HUGE_VAL;
      for (int s = 0; s < 20; ++s) {
        Values next = reference.values(boxes[1].point(draw));
        long double sum = 0;
        for (std::size_t j = 0; j < 3; ++j) sum += low[j] * next.back()[j];
        if (sum >= least) continue;
        least = sum;
        values = std::move(next);
      }
      std::vector<double> constant;
      for (int i = draw.whole(1, 3); i > 0; --i) {
        rows.push_back(rows.empty() ? low : draw.reals(3, -1, 1));
        long double sum = 0;
        for (std::size_t j = 0; j < 3; ++j) sum += rows.back()[j] * values.back()[j];
        constant.push_back(std::nextafter(static_cast<double>(-sum), -HUGE_VAL));
      }
      const ClauseRows clause = clause_of(3, rows, constant);
      ASSERT_TRUE(violates(clause, values.back()));
      bound::Bounds bounds = interval_bounds(engine.net64, 2, lo, hi);
      const bound::Bounds first = bounds;
      for (int again = 0; again < 3; ++again) {
        ASSERT_TRUE(contractor.contract(clause, 1, bounds));
        ASSERT_TRUE(contained(bounds, 1, values));
      }
      for (std::size_t v = 0; v < bounds.lo.size(); ++v) {
        const std::size_t n = bounds.lo[v].size() / 2;
        for (std::size_t j = 0; j < n; ++j) {
          EXPECT_EQ(bounds.lo[v][j], first.lo[v][j]) << "another domain's";
          EXPECT_EQ(bounds.hi[v][j], first.hi[v][j]) << "another domain's";
          EXPECT_GE(bounds.lo[v][n + j], first.lo[v][n + j]);
          EXPECT_LE(bounds.hi[v][n + j], first.hi[v][n + j]);
        }
      }
      ++all;
      smaller += bounds.lo[0] != first.lo[0] || bounds.hi[0] != first.hi[0];
      const bool some = contractor.contract(clause, 0, bounds);
      for (int s = 0; s < 60; ++s) {
        const auto d = static_cast<std::size_t>(s % 2);
        const auto other = reference.values(boxes[d].point(draw));
        if (!violates(clause, other.back())) continue;
        if (d == 0) {
          ASSERT_TRUE(some);
        }
        ASSERT_TRUE(contained(bounds, d, other));
      }
    }
  }
  EXPECT_GT(smaller, all / 5);
}

struct Literal {
  int variable;
  bool positive;
};

/// y = the sum over the clauses of relu(1 - sum of their literals): 0 where x satisfies all.
Graph formula(int variables, const std::vector<std::vector<Literal>>& clauses) {
  const auto m = clauses.size();
  Dense d;
  d.in = variables;
  d.out = static_cast<int>(m);
  d.weight.f.assign(m * static_cast<std::size_t>(variables), 0.0F);
  d.bias.assign(m, 1.0);
  for (std::size_t i = 0; i < m; ++i) {
    for (const Literal& l : clauses[i]) {
      d.weight.f[i * static_cast<std::size_t>(variables) + static_cast<std::size_t>(l.variable)] =
          l.positive ? -1.0F : 1.0F;
      if (!l.positive) d.bias[i] -= 1;
    }
  }
  Dense sum;
  sum.in = d.out;
  sum.out = 1;
  sum.weight.f.assign(m, 1.0F);
  sum.bias = {0};
  Builder b(1);
  const int x = b.input({1, 1, variables});
  const int z = b.add(std::move(d), {x}, {1, 1, static_cast<int>(m)});
  b.add(std::move(sum), {b.relu(z)}, {1, 1, 1});
  return b.finish();
}

TEST(Contract, PropagatesUnits) {
  // x0, x0 -> x1, x0 & x1 -> not x2, x2 or x3
  std::vector<std::vector<Literal>> clauses = {{{0, true}},
                                               {{0, false}, {1, true}},
                                               {{0, false}, {1, false}, {2, false}},
                                               {{2, true}, {3, true}}};
  for (const bool reversed : {false, true}) {
    for (const bool possible : {true, false}) {
      SCOPED_TRACE(testing::Message() << reversed << possible);
      auto all = clauses;
      if (!possible) all.push_back({{3, false}, {2, true}});
      if (reversed) std::reverse(all.begin(), all.end());
      const Graph graph = formula(4, all);
      const Engine engine(graph);
      const Contractor contractor(engine.net64);
      bound::Bounds bounds = interval_bounds(engine.net64, 1, std::vector<double>(4, 0.0),
                                             std::vector<double>(4, 1.0));
      const ClauseRows satisfied = clause_of(1, {{1}}, {0});
      bool some = true;
      for (int i = 0; i < 5 && some; ++i) some = contractor.contract(satisfied, 0, bounds);
      EXPECT_EQ(some, possible);
      if (!possible) continue;
      const std::vector<double> point{1, 1, 0, 1};
      for (std::size_t j = 0; j < 4; ++j) {
        EXPECT_LE(bounds.lo[0][j], point[j]);
        EXPECT_GE(bounds.hi[0][j], point[j]);
        EXPECT_NEAR(bounds.lo[0][j], point[j], 1e-12);
        EXPECT_NEAR(bounds.hi[0][j], point[j], 1e-12);
      }
    }
  }
}

TEST(Contract, OtherOperatorsPassNothingOnAndLoseNothing) {
  for (const auto& n : test::random_networks(3)) {
    SCOPED_TRACE(n.name);
    const Reference reference(n.graph);
    const Engine engine(n.graph);
    const Contractor contractor(engine.net64);
    test::Draw draw(5);
    for (int repeat = 0; repeat < 3; ++repeat) {
      const test::TestBox box(draw, n.graph.inputs(), 0.5);
      const auto values = reference.values(box.point(draw));
      const auto outputs = values.back().size();
      std::vector<double> row = draw.reals(static_cast<int>(outputs), -1, 1);
      long double sum = 0;
      long double size = 0;
      for (std::size_t j = 0; j < outputs; ++j) {
        sum += row[j] * values.back()[j];
        size += std::fabs(row[j] * values.back()[j]);
      }
      const ClauseRows clause = clause_of(static_cast<int>(outputs), {row},
                                          {static_cast<double>(-sum - 1e-12L * (1 + size))});
      bound::Bounds bounds = interval_bounds(engine.net64, 1, box.lower, box.upper);
      for (int again = 0; again < 2; ++again) {
        ASSERT_TRUE(contractor.contract(clause, 0, bounds));
        ASSERT_TRUE(contained(bounds, 0, values));
      }
    }
  }
}

// A clause that also speaks of the inputs: its rows say nothing here.
TEST(Contract, ClausesWithInputTermsAreLeftAlone) {
  const Graph graph = test::mlp(1, 2, 1, 4, 1);
  const Engine engine(graph);
  const Contractor contractor(engine.net64);
  bound::Bounds bounds = interval_bounds(engine.net64, 1, {-1, -1}, {1, 1});
  const bound::Bounds first = bounds;
  ClauseRows clause = clause_of(1, {{1}}, {1000});
  EXPECT_FALSE(contractor.contract(clause, 0, bounds));
  bounds = first;
  clause.input.assign(2, -5000.0);
  EXPECT_TRUE(contractor.contract(clause, 0, bounds));
  EXPECT_EQ(bounds.lo[0], first.lo[0]);
  EXPECT_EQ(bounds.hi[0], first.hi[0]);
}

}  // namespace
}  // namespace coronet::search
