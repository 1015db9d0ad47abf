// The search from end to end against exact enumeration and sampling: no verdict may be wrong.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <coin/ClpSimplex.hpp>
#include <coin/CoinPackedMatrix.hpp>
#include <coin/CoinPackedVector.hpp>
#include <map>
#include <string>
#include <vector>

#include "base/resources.h"
#include "bound/root.h"
#include "graph/evaluate.h"
#include "graphs.h"
#include "queries.h"
#include "search/leaf.h"
#include "search/spec.h"
#include "search/verify.h"

namespace coronet::search {
namespace {

using test::Draw;
using test::Engine;
using test::expect_honest;
using test::How;
using test::Named;
using test::property_of;
using test::random_box;
using test::random_clause;
using test::random_point;
using test::random_property;
using test::Reference;
using test::run;
using test::satisfied;
using test::tiny_networks;

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
                          {"relu", "crown", false, 10, 1, 0.0},
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

}  // namespace
}  // namespace coronet::search
