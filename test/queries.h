// Properties for the tests of the search, running it, and what every result must be.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "base/resources.h"
#include "graph/evaluate.h"
#include "graphs.h"
#include "search/verify.h"

namespace coronet::test {

inline double value_of(const Constraint& c, const std::vector<double>& x,
                       const std::vector<double>& y) {
  double sum = c.constant;
  for (const Term& t : c.inputs) sum += t.coefficient * x[static_cast<std::size_t>(t.index)];
  for (const Term& t : c.outputs) sum += t.coefficient * y[static_cast<std::size_t>(t.index)];
  return sum;
}

inline bool satisfied(const Clause& clause, const std::vector<double>& x,
                      const std::vector<double>& y) {
  return std::all_of(clause.constraints.begin(), clause.constraints.end(),
                     [&](const Constraint& c) {
                       const double v = value_of(c, x, y);
                       return c.strict ? v < 0 : v <= 0;
                     });
}

inline bool inside_box(const Box& box, const std::vector<double>& x) {
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (!(x[i] >= box.lower[i] && x[i] <= box.upper[i])) return false;
  }
  return true;
}

struct How {
  std::string branch = "auto";
  std::string method = "auto";
  bool attack = true;
  double seconds = 10;
  int threads = 1;
  double least_turn = 0.1;  ///< 0: refinements come at once
  std::string device = "auto";
  bool refine = true;
};

inline Result run(const Graph& graph, const Property& property, const How& how) {
  Options options;
  options.timeout = elapsed_seconds() + how.seconds;
  options.threads = how.threads;
  options.branch = how.branch;
  options.method = how.method;
  options.attack = how.attack;
  options.least_turn = how.least_turn;
  options.device = how.device;
  options.refine = how.refine;
  options.iterations = 10;
  options.spec_iterations = 10;
  Tracer tracer;
  return search::verify(graph, property, as_exact(graph), options, tracer);
}

/// What every result must be, whatever the verdict.
inline void expect_honest(const Graph& graph, const Property& property, const Result& result) {
  EXPECT_EQ(result.clauses.size(), property.clauses.size());
  if (result.verdict == Verdict::kViolated) {
    const std::vector<double>& x = result.counterexample.input;
    ASSERT_EQ(static_cast<int>(x.size()), graph.inputs());
    const std::vector<double> y = evaluate(graph, x);
    EXPECT_EQ(result.counterexample.output, y);
    EXPECT_TRUE(std::any_of(property.clauses.begin(), property.clauses.end(), [&](const Clause& c) {
      return inside_box(property.boxes[static_cast<std::size_t>(c.box)], x) && satisfied(c, x, y);
    })) << "the counterexample is none";
    for (std::size_t i = 0; i < x.size(); ++i) {
      const Box& box = property.boxes[0];
      if (property.boxes.size() > 1 || box.lower[i] == box.upper[i]) continue;
      EXPECT_EQ(static_cast<double>(static_cast<float>(x[i])), x[i]) << "not a float32";
    }
  } else if (result.verdict != Verdict::kHolds) {
    EXPECT_FALSE(result.reason.empty());
  }
}

inline Property property_of(const Graph& graph, std::vector<Box> boxes = {}) {
  Property p;
  p.boxes = std::move(boxes);
  p.inputs = graph.inputs();
  p.outputs = graph.outputs();
  return p;
}

inline Box random_box(Draw& draw, int inputs) {
  Box box;
  for (int i = 0; i < inputs; ++i) {
    const double c = draw.real(-1, 1);
    const double r = draw.real(0, 1) < 0.1 ? 0 : draw.real(0.2, 1);
    box.lower.push_back(c - r);
    box.upper.push_back(c + r);
  }
  return box;
}

inline std::vector<double> random_point(Draw& draw, const Box& box) {
  std::vector<double> x;
  const double at_end = draw.real(0, 1);
  for (std::size_t i = 0; i < box.lower.size(); ++i) {
    const double u = draw.real(0, 1) < at_end ? draw.whole(0, 1) : draw.real(0, 1);
    x.push_back(
        std::clamp(box.lower[i] + u * (box.upper[i] - box.lower[i]), box.lower[i], box.upper[i]));
  }
  return x;
}

/// A clause of random constraints that few or none of the box's points satisfy.
inline Clause random_clause(const Graph& graph, const Property& p, int box, Draw& draw) {
  Clause clause;
  clause.box = box;
  const int count = draw.whole(0, 5) < 3 ? 1 : draw.whole(2, 3);
  for (int k = 0; k < count; ++k) {
    Constraint c;
    for (int j = 0; j < p.outputs; ++j) {
      if (draw.real(0, 1) < 0.7 || j == k % p.outputs) c.outputs.push_back({j, draw.real(-1, 1)});
    }
    for (int i = 0; i < p.inputs && draw.real(0, 1) < 0.3; ++i)
      c.inputs.push_back({i, draw.real(-1, 1)});
    c.strict = draw.real(0, 1) < 0.4;
    clause.constraints.push_back(std::move(c));
  }
  // Constants so that the least of the worst constraint is near zero.
  std::vector<double> low(clause.constraints.size(), HUGE_VAL);
  std::vector<double> high(clause.constraints.size(), -HUGE_VAL);
  for (int s = 0; s < 100; ++s) {
    const auto x = random_point(draw, p.boxes[static_cast<std::size_t>(box)]);
    const auto y = evaluate(graph, x);
    for (std::size_t k = 0; k < low.size(); ++k) {
      const double v = value_of(clause.constraints[k], x, y);
      low[k] = std::min(low[k], v);
      high[k] = std::max(high[k], v);
    }
  }
  const double part = count == 1 ? draw.real(-0.25, 0.15) : draw.real(0.0, 0.5);
  for (std::size_t k = 0; k < low.size(); ++k) {
    clause.constraints[k].constant = -(low[k] + part * (high[k] - low[k]));
  }
  return clause;
}

inline Property random_property(const Graph& graph, Draw& draw) {
  Property p = property_of(graph);
  const int boxes = draw.whole(0, 3) == 0 ? 2 : 1;
  for (int b = 0; b < boxes; ++b) p.boxes.push_back(random_box(draw, p.inputs));
  const int clauses = draw.whole(1, 3);
  for (int k = 0; k < clauses; ++k) {
    p.clauses.push_back(random_clause(graph, p, draw.whole(0, boxes - 1), draw));
  }
  return p;
}

/// coefficient * Y_output + constant <= 0 (< 0).
inline Constraint at_most(int output, double coefficient, double constant, bool strict = false) {
  Constraint c;
  c.outputs = {{output, coefficient}};
  c.constant = constant;
  c.strict = strict;
  return c;
}

/// y_0 = |x|, y_1 = x, exactly, written with ReLUs.
inline Graph absolute() {
  Builder b(1);
  const auto weights = [](std::vector<float> w) {
    Weight weight;
    weight.f = std::move(w);
    return weight;
  };
  const int x = b.input({1, 1, 1});
  const int z = b.add(Dense{1, 2, weights({1, -1}), {0, 0}}, {x}, {1, 1, 2});
  b.add(Dense{2, 2, weights({1, 1, 1, -1}), {0, 0}}, {b.relu(z)}, {1, 1, 2});
  return b.finish();
}

/// Piecewise linear networks of at most eight ReLUs.
inline std::vector<Named> tiny_networks() {
  std::vector<Named> all;
  for (std::uint64_t seed = 0; seed < 14; ++seed) {
    Builder b(seed + 500);
    int u = b.input({1, 1, 2 + static_cast<int>(seed % 3)});
    const bool permuted = seed % 2 == 0;
    std::string name;
    switch (seed % 7) {
      case 0:
      case 1:
        name = "mlp";
        for (int i = 0; i < 2; ++i) u = b.relu(b.dense(u, 4, seed % 4 == 0));
        break;
      case 2:
        name = "leaky";
        for (int i = 0; i < 2; ++i) u = b.relu(b.dense(u, 3), 0.1);
        break;
      case 3: {
        name = "maximum";
        const int p = b.maximum(b.dense(u, 2), b.dense(u, 2));
        u = b.maximum(p, b.relu(b.dense(u, 2)));
        break;
      }
      case 4: {
        name = "residual";
        const int v = b.dense(u, 3);
        u = b.sum({v, b.dense(b.relu(v), 3)}, {1, 1});
        u = b.relu(u);
        break;
      }
      case 5: {
        name = "conv";
        const int image = b.select({u}, {2, 2, 1}, true);
        u = b.relu(b.conv(image, 2, square(2, 1, 0)));
        u = b.relu(b.dense(u, 4));
        break;
      }
      default: {
        name = "deep";
        for (int i = 0; i < 4; ++i) u = b.relu(b.dense(u, 2));
        break;
      }
    }
    b.dense(u, 2 + static_cast<int>(seed % 2));
    all.push_back({name + " " + std::to_string(seed), b.finish(permuted)});
  }
  return all;
}

}  // namespace coronet::test
