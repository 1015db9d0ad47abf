// The search from end to end against exact enumeration and sampling: no verdict may be wrong.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <coin/ClpSimplex.hpp>
#include <coin/CoinPackedMatrix.hpp>
#include <coin/CoinPackedVector.hpp>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "base/resources.h"
#include "bound/root.h"
#include "graph/evaluate.h"
#include "graphs.h"
#include "search/leaf.h"
#include "search/spec.h"
#include "search/verify.h"

namespace coronet::search {
namespace {

using test::Builder;
using test::Draw;
using test::Engine;
using test::Named;
using test::Reference;

double value_of(const Constraint& c, const std::vector<double>& x, const std::vector<double>& y) {
  double sum = c.constant;
  for (const Term& t : c.inputs) sum += t.coefficient * x[static_cast<std::size_t>(t.index)];
  for (const Term& t : c.outputs) sum += t.coefficient * y[static_cast<std::size_t>(t.index)];
  return sum;
}

bool satisfied(const Clause& clause, const std::vector<double>& x, const std::vector<double>& y) {
  return std::all_of(clause.constraints.begin(), clause.constraints.end(),
                     [&](const Constraint& c) {
                       const double v = value_of(c, x, y);
                       return c.strict ? v < 0 : v <= 0;
                     });
}

bool inside_box(const Box& box, const std::vector<double>& x) {
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
};

Result run(const Graph& graph, const Property& property, const How& how) {
  Options options;
  options.timeout = elapsed_seconds() + how.seconds;
  options.threads = how.threads;
  options.branch = how.branch;
  options.method = how.method;
  options.attack = how.attack;
  options.iterations = 10;
  options.spec_iterations = 10;
  Tracer tracer;
  return verify(graph, property, test::as_exact(graph), options, tracer);
}

/// What every result must be, whatever the verdict.
void expect_honest(const Graph& graph, const Property& property, const Result& result) {
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

Property property_of(const Graph& graph) {
  Property p;
  p.inputs = graph.inputs();
  p.outputs = graph.outputs();
  return p;
}

Box random_box(Draw& draw, int inputs) {
  Box box;
  for (int i = 0; i < inputs; ++i) {
    const double c = draw.real(-1, 1);
    const double r = draw.real(0, 1) < 0.1 ? 0 : draw.real(0.2, 1);
    box.lower.push_back(c - r);
    box.upper.push_back(c + r);
  }
  return box;
}

std::vector<double> random_point(Draw& draw, const Box& box) {
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
Clause random_clause(const Graph& graph, const Property& p, int box, Draw& draw) {
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

Property random_property(const Graph& graph, Draw& draw) {
  Property p = property_of(graph);
  const int boxes = draw.whole(0, 3) == 0 ? 2 : 1;
  for (int b = 0; b < boxes; ++b) p.boxes.push_back(random_box(draw, p.inputs));
  const int clauses = draw.whole(1, 3);
  for (int k = 0; k < clauses; ++k) {
    p.clauses.push_back(random_clause(graph, p, draw.whole(0, boxes - 1), draw));
  }
  return p;
}

/// Affine forms [inputs + 1] of every node's elements, in the graph's order, with the ReLUs in the
/// given phases.
using Forms = std::vector<std::vector<std::vector<double>>>;
using Phases = std::map<std::pair<int, int>, bool>;

std::vector<std::pair<int, int>> relu_neurons(const Graph& graph) {
  std::vector<std::pair<int, int>> all;
  for (int v = 0; v < static_cast<int>(graph.nodes.size()); ++v) {
    const Node& n = graph.nodes[static_cast<std::size_t>(v)];
    if (!std::holds_alternative<Relu>(n.op)) continue;
    for (int j = 0; j < n.shape.size(); ++j) all.emplace_back(v, j);
  }
  return all;
}

Forms forms_of(const Graph& graph, const Reference& reference, const Phases& active) {
  const auto width = static_cast<std::size_t>(graph.inputs()) + 1;
  Forms forms(graph.nodes.size());
  for (int v = 0; v < static_cast<int>(graph.nodes.size()); ++v) {
    const Node& n = graph.nodes[static_cast<std::size_t>(v)];
    auto& mine = forms[static_cast<std::size_t>(v)];
    mine.assign(static_cast<std::size_t>(n.shape.size()), std::vector<double>(width, 0.0));
    for (std::size_t i = 0; i < mine.size(); ++i) {
      if (v == 0) {
        mine[i][i] = 1;
      } else if (const Relu* relu = std::get_if<Relu>(&n.op)) {
        mine[i] = forms[static_cast<std::size_t>(n.inputs[0])][i];
        if (!active.at({v, static_cast<int>(i)})) {
          for (double& c : mine[i]) c *= relu->negative_slope;
        }
      } else {
        mine[i].back() = reference.bias(v)[i];
        for (std::size_t k = 0; k < n.inputs.size(); ++k) {
          for (const auto& e : reference.matrix(v, static_cast<int>(k))[i]) {
            const auto& from =
                forms[static_cast<std::size_t>(n.inputs[k])][static_cast<std::size_t>(e.from)];
            for (std::size_t c = 0; c < width; ++c) mine[i][c] += e.value * from[c];
          }
        }
      }
    }
  }
  return forms;
}

/// Minimum over x in the box and the phases of max_i f_i; +inf where there is no such x.
double pattern_minimum(const Graph& graph, const Reference& reference, const ClauseRows& clause,
                       const GraphBox& box, const Phases& active) {
  const Forms forms = forms_of(graph, reference, active);
  const int n = graph.inputs();
  const auto outputs = static_cast<std::size_t>(graph.outputs());
  ClpSimplex lp;
  lp.setLogLevel(0);
  CoinPackedMatrix matrix(false, 0, 0);
  matrix.setDimensions(0, n + 1);
  std::vector<double> row_lower;
  std::vector<double> row_upper;
  for (int i = 0; i < clause.count; ++i) {
    std::vector<double> f(static_cast<std::size_t>(n) + 1, 0.0);
    f.back() = clause.constant[static_cast<std::size_t>(i)];
    for (std::size_t j = 0; j < outputs; ++j) {
      for (std::size_t c = 0; c < f.size(); ++c) {
        f[c] += clause.output[static_cast<std::size_t>(i) * outputs + j] * forms.back()[j][c];
      }
    }
    for (int j = 0; !clause.input.empty() && j < n; ++j) {
      f[static_cast<std::size_t>(j)] += clause.input[static_cast<std::size_t>(i * n + j)];
    }
    CoinPackedVector row;
    for (int j = 0; j < n; ++j) row.insert(j, f[static_cast<std::size_t>(j)]);
    row.insert(n, -1.0);
    matrix.appendRow(row);
    row_lower.push_back(-COIN_DBL_MAX);
    row_upper.push_back(-f.back());
  }
  for (const auto& [neuron, on] : active) {
    const int u = graph.nodes[static_cast<std::size_t>(neuron.first)].inputs[0];
    const auto& z = forms[static_cast<std::size_t>(u)][static_cast<std::size_t>(neuron.second)];
    CoinPackedVector row;
    for (int j = 0; j < n; ++j) row.insert(j, z[static_cast<std::size_t>(j)]);
    matrix.appendRow(row);
    row_lower.push_back(on ? -z.back() : -COIN_DBL_MAX);
    row_upper.push_back(on ? COIN_DBL_MAX : -z.back());
  }
  std::vector<double> lower = box.lower;
  std::vector<double> upper = box.upper;
  lower.push_back(-COIN_DBL_MAX);
  upper.push_back(COIN_DBL_MAX);
  std::vector<double> objective(static_cast<std::size_t>(n) + 1, 0.0);
  objective.back() = 1;
  lp.loadProblem(matrix, lower.data(), upper.data(), objective.data(), row_lower.data(),
                 row_upper.data());
  lp.dual();
  return lp.isProvenOptimal() ? lp.objectiveValue() : HUGE_VAL;
}

/// The exact minimum over the clauses of max_i f_i: the query is satisfied where it is <= 0.
double exact_minimum(const Graph& graph, const Property& property) {
  const Reference reference(graph);
  const auto neurons = relu_neurons(graph);
  double least = HUGE_VAL;
  for (std::size_t k = 0; k < property.clauses.size(); ++k) {
    const ClauseRows clause = make_clause_rows(graph, property, static_cast<int>(k));
    const GraphBox box =
        make_graph_box(graph, property.boxes[static_cast<std::size_t>(clause.box)]);
    for (std::uint32_t pattern = 0; pattern < 1U << neurons.size(); ++pattern) {
      Phases active;
      for (std::size_t i = 0; i < neurons.size(); ++i) active[neurons[i]] = (pattern >> i & 1) != 0;
      least = std::min(least, pattern_minimum(graph, reference, clause, box, active));
    }
  }
  return least;
}

/// Piecewise linear networks of at most eight ReLUs.
std::vector<Named> tiny_networks() {
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
        u = b.relu(b.conv(image, 2, test::square(2, 1, 0)));
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

TEST(Verify, AgreesWithExactEnumeration) {
  int holds = 0;
  int violated = 0;
  std::uint64_t seed = 40;
  for (const Named& n : tiny_networks()) {
    ASSERT_LE(relu_neurons(n.graph).size(), 8U);
    Draw draw(++seed);
    for (int repeat = 0; repeat < 5; ++repeat) {
      SCOPED_TRACE(n.name + ", property " + std::to_string(repeat));
      const Property property = random_property(n.graph, draw);
      const double least = exact_minimum(n.graph, property);
      const How hows[] = {{"relu", "auto", true},
                          {"relu", "interval", false},
                          {"input", "auto", true},
                          {"auto", "crown", true, 10, 2},
                          {"none", "crown", false}};
      for (const How& how : hows) {
        SCOPED_TRACE(how.branch + " " + how.method + ", exact minimum " + std::to_string(least));
        if (how.branch != "relu" && std::fabs(least) < 2e-3) continue;  // boxes would become tiny
        const Result result = run(n.graph, property, how);
        expect_honest(n.graph, property, result);
        if (least > 1e-9) {
          EXPECT_NE(result.verdict, Verdict::kViolated);
        }
        if (least < -1e-9) {
          EXPECT_NE(result.verdict, Verdict::kHolds);
        }
        if (how.branch == "none") continue;
        if (least > 1e-5) {
          EXPECT_EQ(result.verdict, Verdict::kHolds) << result.reason;
          ++holds;
        } else if (least < -1e-4) {
          EXPECT_EQ(result.verdict, Verdict::kViolated) << result.reason;
          ++violated;
        }
      }
    }
  }
  EXPECT_GT(holds, 60);
  EXPECT_GT(violated, 60);
}

TEST(Verify, IsNeverContradictedBySamples) {
  int decided = 0;
  int all = 0;
  std::vector<Named> networks;
  for (int i = 0; i < 4; ++i) {
    const auto seed = static_cast<std::uint64_t>(i);
    networks.push_back({"sigmoid or tanh", test::mlp(seed, 3, 2, 5, 2, 2 + i % 2, true)});
    networks.push_back({"leaky", test::mlp(seed, 5, 2, 8, 3, 1)});
    networks.push_back({"relu", test::mlp(seed, 6, 3, 10, 3, 0, true)});
    networks.push_back({"dag", test::dag(seed + 40, true)});
    networks.push_back({"image dag", test::image_dag(seed, 0)});
    networks.push_back({"residual", test::residual_net(seed, 0, true)});
  }
  for (std::size_t k = 0; k < networks.size(); ++k) {
    const Graph& graph = networks[k].graph;
    SCOPED_TRACE(networks[k].name + " " + std::to_string(k));
    Draw draw(k + 77);
    Property property = random_property(graph, draw);
    if (graph.inputs() > 10) {  // smaller boxes, or no bound says anything
      property = property_of(graph);
      Box box;
      for (int i = 0; i < graph.inputs(); ++i) {
        box.lower.push_back(draw.real(-1, 1));
        box.upper.push_back(box.lower.back() + 0.05);
      }
      property.boxes.push_back(box);
      property.clauses = {random_clause(graph, property, 0, draw)};
    }
    const bool few = graph.inputs() <= 4;
    for (const char* branch : {"relu", "input", "auto"}) {
      if (std::string(branch) == "input" && !few) continue;
      SCOPED_TRACE(branch);
      How how{branch};
      how.seconds = 0.6;
      const Result result = run(graph, property, how);
      expect_honest(graph, property, result);
      ++all;
      decided += result.verdict == Verdict::kHolds || result.verdict == Verdict::kViolated;
      if (result.verdict != Verdict::kHolds) continue;
      for (const Clause& clause : property.clauses) {
        for (int s = 0; s < 1500; ++s) {
          const auto x = random_point(draw, property.boxes[static_cast<std::size_t>(clause.box)]);
          ASSERT_FALSE(satisfied(clause, x, evaluate(graph, x)));
        }
      }
    }
  }
  EXPECT_GT(decided, all / 2);
}

// Every phase of every neuron decided: what is left is a linear programme.
TEST(Verify, LeavesAreDecidedRightly) {
  int refuted = 0;
  int violated = 0;
  int undecided = 0;
  const std::vector<Named> networks = tiny_networks();
  for (int repeat = 0; repeat < 2 * static_cast<int>(networks.size()); ++repeat) {
    const Named& n = networks[static_cast<std::size_t>(repeat / 2)];
    SCOPED_TRACE(n.name);
    const Reference reference(n.graph);
    const auto neurons = relu_neurons(n.graph);
    Draw draw(static_cast<std::uint64_t>(repeat));
    Property property = property_of(n.graph);
    property.boxes.push_back(random_box(draw, property.inputs));
    property.clauses.push_back(random_clause(n.graph, property, 0, draw));
    for (Constraint& c : property.clauses[0].constraints) c.constant -= repeat % 2 == 0 ? 0 : 0.5;
    const ClauseRows clause = make_clause_rows(n.graph, property, 0);
    const GraphBox box = make_graph_box(n.graph, property.boxes[0]);
    Engine engine(n.graph);
    const bound::Root root =
        bound_root(engine.context, box.lower, box.upper, {bound::Method::kCrown});
    const Evaluate evaluator = test::as_exact(n.graph);
    for (std::uint32_t pattern = 0; pattern < 1U << neurons.size(); ++pattern) {
      Phases active;
      Domain domain;
      if (clause.count > 1) domain.lambda.assign(static_cast<std::size_t>(clause.count), 0.5F);
      bool possible = true;
      for (std::size_t i = 0; i < neurons.size(); ++i) {
        const auto [v, j] = neurons[i];
        const bool on = (pattern >> i & 1) != 0;
        active[neurons[i]] = on;
        const auto at = static_cast<std::size_t>(v);
        const auto u = static_cast<std::size_t>(n.graph.nodes[at].inputs[0]);
        const auto e = static_cast<std::size_t>(j);
        if (root.relax32.lines[at].free[e] > 0) {
          domain.decisions.push_back({v, j, on ? 1.0F : -1.0F, 0});
        } else {  // stable: it has one phase only
          possible &= on == (root.bounds.lo[u][e] >= 0);
        }
      }
      if (!possible) continue;
      Oracle oracle(n.graph, property, evaluator);
      const LeafOutcome outcome =
          decide_leaf(engine.context, root, clause, domain, oracle, engine.context.space64[0]);
      const double least = pattern_minimum(n.graph, reference, clause, box, active);
      if (outcome == LeafOutcome::kRefuted) {
        ASSERT_GT(least, -1e-9);
        ++refuted;
      } else if (outcome == LeafOutcome::kViolated) {
        ASSERT_TRUE(oracle.best().has_value());
        EXPECT_TRUE(satisfied(property.clauses[0], oracle.best()->input,
                              evaluate(n.graph, oracle.best()->input)));
        ++violated;
      } else if (std::fabs(least) > 1e-4) {
        ++undecided;
      }
    }
  }
  EXPECT_GT(refuted, 300);
  EXPECT_GT(violated, 30);
  EXPECT_LE(undecided, refuted / 50);
}

Constraint output_at_most(int j, double coefficient, double constant, bool strict = false) {
  Constraint c;
  c.outputs = {{j, coefficient}};
  c.constant = constant;
  c.strict = strict;
  return c;
}

/// y_0 = |x|, y_1 = x, exactly, written with ReLUs.
Graph absolute() {
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
          property.clauses.push_back({0, {output_at_most(0, 1, -c.margin, c.strict)}});
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

TEST(Verify, TinyMarginsOfRandomNetworksAreNeverDecidedWrongly) {
  for (const Named& n : tiny_networks()) {
    SCOPED_TRACE(n.name);
    Draw draw(6);
    Property property = property_of(n.graph);
    property.boxes.push_back(random_box(draw, property.inputs));
    property.clauses.push_back(random_clause(n.graph, property, 0, draw));
    const double least = exact_minimum(n.graph, property);
    for (const double margin : {1e-7, 1e-6, 1e-5, 1e-4, 1e-3}) {
      for (const double sign : {-1.0, 1.0}) {
        Property moved = property;
        for (Constraint& c : moved.clauses[0].constraints) c.constant += sign * margin - least;
        SCOPED_TRACE(sign * margin);
        const Result result = run(n.graph, moved, {"relu", "crown", sign * margin == -1e-3});
        expect_honest(n.graph, moved, result);
        EXPECT_NE(result.verdict, sign > 0 ? Verdict::kViolated : Verdict::kHolds);
        if (margin >= 1e-5 && sign > 0) {
          EXPECT_EQ(result.verdict, Verdict::kHolds) << result.reason;
        }
        if (margin >= 1e-4 && sign < 0) {
          EXPECT_EQ(result.verdict, Verdict::kViolated) << result.reason;
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
      property.clauses.push_back({0, {output_at_most(1, 1, 0.1), output_at_most(1, -1, 0.1)}});
      How how{branch};
      how.attack = attack;
      Result result = run(graph, property, how);
      EXPECT_EQ(result.verdict, Verdict::kHolds) << result.reason;
      // With uneven weights, and with the input instead of the output.
      property.clauses = {{0, {output_at_most(1, 0.25, 0.1), output_at_most(1, -8, 0.1)}}};
      Constraint by_input;
      by_input.inputs = {{0, -1}};
      by_input.constant = 0.1;
      property.clauses.push_back({0, {output_at_most(1, 1, 0.1), by_input}});
      result = run(graph, property, how);
      EXPECT_EQ(result.verdict, Verdict::kHolds) << result.reason;
      // |x| >= 0.5 and |x| <= 0.4
      property.clauses = {{0, {output_at_most(0, -1, 0.5), output_at_most(0, 1, -0.4)}}};
      EXPECT_EQ(run(graph, property, how).verdict, Verdict::kHolds);
      // |x| >= 0.4 and |x| <= 0.5 is possible.
      property.clauses = {{0, {output_at_most(0, -1, 0.4), output_at_most(0, 1, -0.5)}}};
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
      Constraint met = output_at_most(0, repeat % 2 == 0 ? 1 : -1, 0);
      met.constant = -value_of(met, x, evaluate(n.graph, x)) - 0.01;
      Constraint never = output_at_most(1, 1, 1e4);
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
    property.clauses = {{0, {output_at_most(0, 1, 1e-30)}}, {1, {output_at_most(0, 1, -0.5)}}};
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
    property.clauses = {{0, {output_at_most(0, 1, -0.4)}}, {1, {output_at_most(0, 1, -0.4)}}};
    EXPECT_EQ(run(graph, property, {branch}).verdict, Verdict::kHolds);
    property.clauses.push_back({2, {output_at_most(0, 1, -0.4)}});
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
          Constraint c = output_at_most(0, sign, sign * bad > 0 ? -1e300 : 1);
          if (where == 0 || where == 1) c = output_at_most(0, sign, 1e3);
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
      property.clauses.push_back({0, {output_at_most(0, -sign, mirrored ? -0.4 : 0.9)}});
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

TEST(Verify, PassedDeadlineIsATimeout) {
  const Graph graph = test::mlp(3, 6, 3, 20, 3);
  Property property = property_of(graph);
  property.boxes.push_back({std::vector<double>(6, -1.0), std::vector<double>(6, 1.0)});
  property.clauses.push_back({0, {output_at_most(0, 1, 1e6)}});
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
