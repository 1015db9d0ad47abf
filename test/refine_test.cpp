// Branch and bound of single neurons, and the tree of a search across tighter roots.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/resources.h"
#include "bound/reduce.h"
#include "bound/root.h"
#include "graph/evaluate.h"
#include "graphs.h"
#include "search/refine.h"
#include "search/relu_branch.h"

namespace coronet::search {
namespace {

using bound::Bounds;
using bound::Root;
using test::Draw;
using test::Engine;
using test::Named;
using test::TestBox;

/// The root's bounds by alpha, each node refined until `passes` passes are done, so many for each
/// domain.
Root refined_root(Engine& engine, const TestBox& box, int passes, const Bounds* known,
                  int iterations = 5) {
  bound::RootSettings settings;
  settings.iterations = 10;
  settings.known = known;
  settings.refine = [&](Root& root, int v) {
    int calls = 0;
    RefineSettings each;
    each.iterations = iterations;
    each.memory_bytes = std::size_t{1} << 28;
    each.stop = [&] { return ++calls > passes; };
    refine(engine.context, root, v, each);
  };
  return bound_root(engine.context, box.lower, box.upper, settings);
}

Root alpha_root(Engine& engine, const TestBox& box) {
  bound::RootSettings settings;
  settings.iterations = 10;
  return bound_root(engine.context, box.lower, box.upper, settings);
}

double unstable_width(const Graph& graph, const Bounds& bounds) {
  double sum = 0;
  for (const Node& n : graph.nodes) {
    if (!std::holds_alternative<Relu>(n.op)) continue;
    const int u = n.inputs[0];
    for (std::size_t i = 0; i < bounds.lo[u].size(); ++i) {
      if (bounds.lo[u][i] < 0 && bounds.hi[u][i] > 0) sum += bounds.hi[u][i] - bounds.lo[u][i];
    }
  }
  return sum;
}

TEST(Refine, IsSoundAndTightens) {
  double before = 0;
  double after = 0;
  for (const Named& n : test::random_networks(3)) {
    SCOPED_TRACE(n.name);
    const test::Reference reference(n.graph);
    Draw draw(3);
    for (const double radius : {0.1, 0.5}) {
      SCOPED_TRACE(radius);
      const TestBox box(draw, n.graph.inputs(), radius);
      Engine engine(n.graph);
      const Root plain = alpha_root(engine, box);
      const Root refined = refined_root(engine, box, 100, &plain.bounds);
      for (int s = 0; s < 60; ++s) {
        const auto values = reference.values(box.point(draw));
        for (std::size_t v = 0; v < values.size(); ++v) {
          for (std::size_t i = 0; i < values[v].size(); ++i) {
            ASSERT_LE(refined.bounds.lo[v][i], values[v][i]) << "node " << v << " element " << i;
            ASSERT_GE(refined.bounds.hi[v][i], values[v][i]) << "node " << v << " element " << i;
          }
        }
      }
      before += unstable_width(n.graph, plain.bounds);
      after += unstable_width(n.graph, refined.bounds);
      EXPECT_LE(count_unstable(n.graph, refined.bounds), count_unstable(n.graph, plain.bounds));
    }
  }
  EXPECT_LT(after, 0.8 * before);
}

TEST(Refine, AnyStopLeavesSoundBounds) {
  for (const std::uint64_t seed : {0U, 1U}) {
    for (const Graph& graph : {test::mlp(seed, 4, 4, 12, 3), test::residual_net(seed)}) {
      const test::Reference reference(graph);
      Draw draw(seed);
      const TestBox box(draw, graph.inputs(), 0.5);
      Engine engine(graph);
      const Root plain = alpha_root(engine, box);
      for (const int iterations : {0, 1, 2, 7, 11, 30}) {
        SCOPED_TRACE(iterations);
        const Root refined = refined_root(engine, box, iterations, &plain.bounds);
        EXPECT_LE(unstable_width(graph, refined.bounds), unstable_width(graph, plain.bounds));
        for (int s = 0; s < 20; ++s) {
          const auto values = reference.values(box.point(draw));
          for (std::size_t v = 0; v < values.size(); ++v) {
            for (std::size_t i = 0; i < values[v].size(); ++i) {
              ASSERT_LE(refined.bounds.lo[v][i], values[v][i]);
              ASSERT_GE(refined.bounds.hi[v][i], values[v][i]);
            }
          }
        }
      }
    }
  }
}

// max(x, 0) - 2 max(x - 1/2, 0) over [-1, 1] is at most 1/2, but at most 3/4 with any choice of
// slopes: splitting makes it exact.
TEST(Refine, FindsExactBoundsOfSmallTrees) {
  test::Builder b(1);
  Weight in;
  in.f = {1, 1};
  Weight fold;
  fold.f = {1, -2, -1, 2};
  Weight out;
  out.f = {1, 1};
  const int x = b.input({1, 1, 1});
  const int z = b.relu(b.add(Dense{1, 2, in, {0, -0.5}}, {x}, {1, 1, 2}));
  const int folded = b.add(Dense{2, 2, fold, {-0.25, 0.25}}, {z}, {1, 1, 2});
  b.add(Dense{2, 1, out, {0}}, {b.relu(folded)}, {1, 1, 1});
  const Graph graph = b.finish();
  Engine engine(graph);
  TestBox box;
  box.lower = {-1};
  box.upper = {1};
  const Root plain = alpha_root(engine, box);
  EXPECT_GT(plain.bounds.hi[folded][0], 0.49);
  EXPECT_LT(plain.bounds.lo[folded][1], -0.49);
  const Root refined = refined_root(engine, box, 10000, nullptr, 200);
  EXPECT_NEAR(refined.bounds.lo[folded][0], -0.25, 5e-3);
  EXPECT_NEAR(refined.bounds.hi[folded][0], 0.25, 5e-3);
  EXPECT_NEAR(refined.bounds.lo[folded][1], -0.25, 5e-3);
  EXPECT_NEAR(refined.bounds.hi[folded][1], 0.25, 5e-3);
}

/// A judge to whom nothing is a counterexample: the searches are on their own.
std::vector<Interval> nowhere(const std::vector<double>& x) {
  return std::vector<Interval>(x.size() + 100, std::nan(""));
}

/// Does the point of these node values lie in the domain?
bool contains(const Graph& graph, const Domain& domain,
              const std::vector<std::vector<double>>& values) {
  for (const Decision& d : domain.decisions) {
    if (d.sign * values[graph.nodes[d.node].inputs[0]][d.neuron] < 0) return false;
  }
  return true;
}

// x satisfies every clause, so however the search is interrupted, the root tightened and the graph
// reduced, each clause keeps an open domain with x inside.
TEST(Tree, NeverLosesAWitness) {
  for (std::uint64_t seed = 0; seed < 6; ++seed) {
    SCOPED_TRACE(seed);
    const Graph graph = seed % 2 == 0 ? test::mlp(seed, 6, 4, 20, 3) : test::conv_net(seed);
    Draw draw(seed + 50);
    const TestBox box(draw, graph.inputs(), 0.6);
    const std::vector<double> x = test::to_onnx(graph, box.point(draw));
    const std::vector<double> y = evaluate(graph, x);
    Property property;
    property.inputs = graph.inputs();
    property.outputs = graph.outputs();
    property.boxes = {{test::to_onnx(graph, box.lower), test::to_onnx(graph, box.upper)}};
    std::vector<ClauseRows> clauses;
    for (int k = 0; k < 2; ++k) {
      Constraint c;
      c.outputs = {{k, 1.0}};
      c.constant = -y[static_cast<std::size_t>(k)];
      property.clauses.push_back({0, {c}});
      clauses.push_back(make_clause_rows(graph, property, k));
    }
    Oracle oracle(graph, property, nowhere);
    auto engine = std::make_unique<Engine>(graph);
    engine->options.attack = false;
    Root root = bound_root(engine->context, box.lower, box.upper, {bound::Method::kInterval});
    std::vector<BranchStart> start(clauses.size());
    for (BranchStart& s : start) {
      s.bound = -HUGE_VAL;
      s.lambda = {1};
    }
    Tree tree = plant(engine->context, root, clauses, start);
    std::vector<std::unique_ptr<bound::Reduced>> graphs;
    for (int round = 0; round < 6; ++round) {
      SCOPED_TRACE(round);
      const Deadline deadline(elapsed_seconds() + 0.004);
      const BranchOutcome outcome = relu_branch(engine->context, root, clauses, tree,
                                                {make_graph_box(graph, property.boxes[0])}, oracle,
                                                {deadline, std::size_t{1} << 30, {}});
      const Graph& now = engine->net64.graph();
      const auto values = evaluate_nodes(now, x);
      for (std::size_t k = 0; k < clauses.size(); ++k) {
        ASSERT_EQ(outcome.clause_refuted[k], 0);
        bool found = tree.undecided[k] != 0;
        for (const Domain& d : tree.open) {
          found |= d.objective == static_cast<int>(k) && contains(now, d, values);
        }
        ASSERT_TRUE(found);
        // Every other round the first clause begins anew.
        start[k].bound = k == 0 && round % 2 == 1 ? HUGE_VAL : -HUGE_VAL;
      }
      const Bounds known = root.bounds;
      root = refined_root(*engine, box, 20 * round, &known);
      auto reduced = drop_dead_neurons(now, root.bounds);
      if (!reduced) {
        rebase(tree, engine->context, root, nullptr, clauses, start);
        continue;
      }
      graphs.push_back(std::make_unique<bound::Reduced>(std::move(*reduced)));
      engine = std::make_unique<Engine>(graphs.back()->graph);
      engine->options.attack = false;
      root = restate(engine->context, graphs.back()->select(root.bounds));
      rebase(tree, engine->context, root, &graphs.back()->kept, clauses, start);
    }
  }
}

TEST(Tree, RemainingAndRenumbering) {
  Tree tree;
  tree.undecided = {0, 1, 0};
  for (const int objective : {0, 2, 2}) {
    Domain d;
    d.objective = objective;
    if (objective == 2) d.decisions.resize(2);
    tree.open.push_back(std::move(d));
  }
  EXPECT_DOUBLE_EQ(tree.remaining(), 1.5);
  EXPECT_FALSE(tree.refuted()[0]);
  EXPECT_FALSE(tree.refuted()[1]);  // undecided
  tree.keep_clauses({0, 1, 1});
  EXPECT_EQ(tree.open.size(), 2U);
  EXPECT_EQ(tree.open[0].objective, 1);
  EXPECT_EQ(tree.undecided, (std::vector<char>{1, 0}));
  tree.open.clear();
  EXPECT_FALSE(tree.refuted()[0]);
  EXPECT_TRUE(tree.refuted()[1]);
}

}  // namespace
}  // namespace coronet::search
