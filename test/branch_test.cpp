// Both branchings called by themselves: nothing that is left open is ever called refuted.
#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include "base/resources.h"
#include "bound/root.h"
#include "graph/evaluate.h"
#include "graphs.h"
#include "queries.h"
#include "search/input_split.h"
#include "search/relu_branch.h"

namespace coronet::search {
namespace {

using test::absolute;
using test::at_most;
using test::property_of;

/// A judge to whom nothing is a counterexample: the searches are on their own.
std::vector<Interval> nowhere(const std::vector<double>& x) {
  return std::vector<Interval>(x.size() + 100, std::nan(""));
}

struct Limits {
  double seconds = 10;
  std::size_t memory = std::size_t{1} << 30;
  double chunk_mib = 24;
};

/// relu_branch() asks for clauses of one box; input_split() takes several.
BranchOutcome search(bool by_input, const Graph& graph, const Property& property,
                     const Limits& limits, const Evaluate& judge) {
  test::Engine engine(graph);
  engine.options.attack = false;
  engine.options.chunk_mib = limits.chunk_mib;
  std::vector<ClauseRows> clauses;
  std::vector<GraphBox> boxes;
  for (const Box& b : property.boxes) boxes.push_back(make_graph_box(graph, b));
  for (std::size_t k = 0; k < property.clauses.size(); ++k) {
    clauses.push_back(make_clause_rows(graph, property, static_cast<int>(k)));
  }
  Oracle oracle(graph, property, judge);
  if (by_input) {
    const Deadline deadline(elapsed_seconds() + limits.seconds);
    InputTree inputs;
    return input_split(engine.context, clauses, boxes, inputs, oracle,
                       {deadline, limits.memory, {}});
  }
  const bound::Root root =
      bound_root(engine.context, boxes[0].lower, boxes[0].upper, {bound::Method::kInterval});
  std::vector<BranchStart> start(clauses.size());
  for (std::size_t k = 0; k < clauses.size(); ++k) {
    start[k].bound = -HUGE_VAL;
    start[k].lambda.assign(static_cast<std::size_t>(clauses[k].count), 0.0F);
    if (clauses[k].count > 0) start[k].lambda[0] = 1;
  }
  const Deadline deadline(elapsed_seconds() + limits.seconds);
  Tree tree = plant(engine.context, root, clauses, start);
  return relu_branch(engine.context, root, clauses, tree, boxes, oracle,
                     {deadline, limits.memory, {}});
}

void expect_open(const BranchOutcome& outcome, std::size_t clauses) {
  EXPECT_FALSE(outcome.refuted);
  EXPECT_FALSE(outcome.reason.empty());
  EXPECT_EQ(outcome.clause_refuted, std::vector<char>(clauses, 0));
  EXPECT_EQ(outcome.bound.size(), clauses);
}

// Points satisfy each of these clauses, so that no deadline may leave one refuted.
TEST(Branch, DeadlinesInTheMiddleLeaveClausesOpen) {
  for (std::uint64_t seed = 0; seed < 3; ++seed) {
    const Graph graph = test::mlp(seed, 6, 3, 24, 3);
    test::Draw draw(seed);
    Property property =
        property_of(graph, {{std::vector<double>(6, -1), std::vector<double>(6, 1)}});
    for (int k = 0; k < 4; ++k) {
      std::vector<double> x = draw.reals(6, -1, 1);
      const std::vector<double> y = evaluate(graph, x);
      property.clauses.push_back({0, {at_most(k % 3, 1, -y[static_cast<std::size_t>(k % 3)])}});
    }
    for (const bool by_input : {false, true}) {
      for (const double seconds : {-1.0, 0.0, 0.0005, 0.002, 0.01, 0.03}) {
        SCOPED_TRACE(testing::Message() << seed << by_input << ' ' << seconds);
        expect_open(search(by_input, graph, property, {seconds}, nowhere), 4);
      }
    }
  }
}

TEST(Branch, MemoryIsAReasonToStop) {
  const Graph graph = test::mlp(2, 4, 2, 16, 2);
  Property property = property_of(graph, {{std::vector<double>(4, -1), std::vector<double>(4, 1)}});
  const std::vector<double> y = evaluate(graph, std::vector<double>(4, 0.25));
  property.clauses = {{0, {at_most(0, 1, -y[0])}}, {0, {at_most(1, 1, -y[1])}}};
  for (const bool by_input : {false, true}) {
    for (const std::size_t bytes : {std::size_t{0}, std::size_t{1000}, std::size_t{3000}}) {
      SCOPED_TRACE(testing::Message() << by_input << ' ' << bytes);
      const BranchOutcome outcome = search(by_input, graph, property, {10, bytes}, nowhere);
      expect_open(outcome, 2);
      EXPECT_NE(outcome.reason.find("memory"), std::string::npos) << outcome.reason;
      EXPECT_GT(outcome.bytes, bytes);
      EXPECT_GT(outcome.open, 0);
    }
  }
}

// Which clause is violated in which box: |x| <= 0.4 in the third of three only.
TEST(Branch, SeveralClausesOverSeveralBoxes) {
  const Graph graph = absolute();
  Property property = property_of(graph, {{{-1}, {-0.5}}, {{0.5}, {1}}, {{-0.9}, {0.8}}});
  const Evaluate judge = test::as_exact(graph);
  const std::vector<Constraint> both = {at_most(0, 1, -0.4), at_most(1, 1, 0.45)};
  property.clauses = {{0, {at_most(0, 1, -0.4)}},
                      {1, {at_most(0, 1, -0.4)}},
                      {0, {at_most(1, -1, 0)}},
                      {1, {at_most(1, 1, 0)}},
                      {2, both},
                      {2, {at_most(0, -1, 0.95)}}};
  BranchOutcome outcome = search(true, graph, property, {}, judge);
  EXPECT_TRUE(outcome.refuted) << outcome.reason;
  EXPECT_EQ(outcome.clause_refuted, std::vector<char>(6, 1));
  EXPECT_EQ(outcome.open, 0);
  // A violated one, at any place, whether or not the judge sees it.
  for (std::size_t at = 0; at <= 6; ++at) {
    SCOPED_TRACE(at);
    Property more = property;
    more.clauses.insert(more.clauses.begin() + static_cast<std::ptrdiff_t>(at),
                        {2, {at_most(0, 1, -0.4)}});
    EXPECT_FALSE(search(true, graph, more, {}, judge).refuted);
    outcome = search(true, graph, more, {0.02}, nowhere);
    EXPECT_FALSE(outcome.refuted);
    EXPECT_EQ(outcome.clause_refuted[at], 0);
  }
}

// More clauses than one round takes at a time.
TEST(Branch, MoreClausesThanOneRoundTakes) {
  const Graph graph = absolute();
  const Evaluate judge = test::as_exact(graph);
  Property property = property_of(graph, {{{-0.7}, {1.1}}});
  for (int k = 1; k <= 20; ++k) property.clauses.push_back({0, {at_most(0, 1, 0.01 * k)}});
  for (const bool by_input : {false, true}) {
    SCOPED_TRACE(by_input);
    const BranchOutcome outcome =
        search(by_input, graph, property, {10, std::size_t{1} << 30, 0}, judge);
    EXPECT_TRUE(outcome.refuted) << outcome.reason;
    EXPECT_EQ(outcome.clause_refuted, std::vector<char>(20, 1));
  }
}

// A clause with leaves that nothing decides is not refuted because another one runs out of time.
TEST(Branch, UndecidedLeavesAreNotRefutedByADeadline) {
  const Graph graph = absolute();
  Property property = property_of(graph, {{{-0.7}, {1.1}}});
  // |x| <= -1e-30 is beyond rounding; whoever asks the judge about it waits until the time is over.
  property.clauses = {{0, {at_most(0, 1, -0.5)}}, {0, {at_most(0, 1, 1e-30)}}};
  const Limits limits{0.05, std::size_t{1} << 30, 0};
  const auto judge = [&](const std::vector<double>& x) {
    for (const double began = elapsed_seconds(); elapsed_seconds() < began + 2 * limits.seconds;) {
    }
    return nowhere(x);
  };
  const BranchOutcome outcome = search(false, graph, property, limits, judge);
  EXPECT_FALSE(outcome.refuted);
  EXPECT_EQ(outcome.clause_refuted, (std::vector<char>{0, 0})) << outcome.reason;
}

}  // namespace
}  // namespace coronet::search
