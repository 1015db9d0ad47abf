// What a batch of branch and bound will take, forecast without numbers, against what it took.
#include "search/forecast.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "bound/root.h"
#include "graphs.h"
#include "ops/weight_sizes.h"
#include "plan/search_plan.h"
#include "search/bounder.h"

namespace coronet::search {
namespace {

/// A clause over the outputs of which nothing of a small box is refuted.
ClauseRows hopeless(const Graph& graph, int constraints, bool inputs) {
  ClauseRows c;
  c.count = constraints;
  c.output.assign(static_cast<std::size_t>(constraints) * graph.outputs(), 1.0);
  if (inputs) c.input.assign(static_cast<std::size_t>(constraints) * graph.inputs(), 0.5);
  c.constant.assign(static_cast<std::size_t>(constraints), -1e6);
  c.strict.assign(static_cast<std::size_t>(constraints), 0);
  return c;
}

struct Case {
  std::string name;
  Graph graph;
  int constraints;
  bool inputs;
};

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const test::Named& n : test::random_networks(2)) {
    for (const int constraints : {1, 3}) {
      all.push_back({n.name + ", " + std::to_string(constraints) + " constraints", n.graph,
                     constraints, constraints > 1});
    }
  }
  return all;
}

TEST(SearchForecast, ABatchTakesWhatWasForecast) {
  int searched = 0;
  for (const Case& c : cases()) {
    SCOPED_TRACE(c.name);
    test::Draw draw(5);
    const test::TestBox box(draw, c.graph.inputs(), 0.3);
    test::Engine engine(c.graph);
    engine.options.chunk_mib = 0.01;
    const bound::Root root =
        bound_root(engine.context, box.lower, box.upper, {bound::Method::kInterval});
    Objectives objectives;
    objectives.node = engine.net64.nodes() - 1;
    objectives.clauses = {hopeless(c.graph, c.constraints, c.inputs)};
    Bounder bounder(engine.context, root, objectives);
    if (bounder.layout().relus().empty()) continue;
    ++searched;
    MemoryLedger ledger;
    engine.context.count_in(&ledger);
    // Unsplit ones, one row each: as many rows as the children of a batch.
    const int rows = 2 * domains_at_once(bounder.layout().plan32(), engine.options);
    std::vector<float> lambda(static_cast<std::size_t>(c.constraints), 0.0F);
    lambda[0] = 1;
    const std::vector<Domain> domains(static_cast<std::size_t>(bounder.round()),
                                      bounder.layout().root_domain(0, -HUGE_VAL, lambda, {}));
    const Bounded bounded = bounder.run(
        domains, 3, [] { return false; }, nullptr);
    ASSERT_EQ(bounded.count, static_cast<std::int64_t>(domains.size()));
    const MemoryUsage took = ledger.usage();

    const bound::RowForecast::Values nothing;
    bound::RowForecast worker(c.graph, engine.options.chunk_mib, 1, nothing);
    worker.bound_domains(rows / 2, 0, c.inputs, c.constraints > 1);
    EXPECT_GT(took[MemoryClass::kA].most, 0U);
    EXPECT_EQ(took[MemoryClass::kA].most, worker.usage()[MemoryClass::kA].most);
    EXPECT_EQ(took[MemoryClass::kAlpha].most, worker.usage()[MemoryClass::kAlpha].most);
    // Each domain that is open takes what it needs, no more.
    for (const Domain& d : bounded.open) {
      EXPECT_EQ(d.alpha.capacity(), d.alpha.size());
      EXPECT_EQ(d.decisions.capacity(), d.decisions.size());
    }
  }
  EXPECT_GT(searched, 0);
}

plan::SearchQuestion asked() {
  plan::SearchQuestion search;
  search.run.forms = 3;
  search.open = 100;
  return search;
}

TEST(SearchPlan, OpenDomainsAndThreadsShow) {
  const Graph graph = test::mlp(3, 20, 3, 100, 5, 0, false);
  plan::Question question;
  question.method = bound::Method::kAlpha;
  question.iterations = question.spec_iterations = 5;
  question.memory = std::uint64_t{1} << 30;
  const auto planned = [&](const plan::SearchQuestion& search) {
    plan::RunPlan run = make_run_plan(graph, question, plan::Place::kReplicated);
    const plan::SearchPlan made = add_search(run, graph, question, search);
    EXPECT_EQ(run.phases.back().name, "search");
    EXPECT_GT(made.batch, 0);
    EXPECT_LE(made.domain, made.domain_most);
    EXPECT_GT(made.domains_a_second, 0);
    return std::pair(run.phases.back().total, made);
  };
  const auto [few, made] = planned(asked());
  EXPECT_LE(made.fit * made.domain, question.memory / 2);
  plan::SearchQuestion more = asked();
  more.open = 1100;
  EXPECT_EQ(planned(more).first, few + 1000 * made.domain);
  more.run.unstable = 1;
  EXPECT_GT(planned(more).second.domain, made.domain);
  question.threads = 2;
  EXPECT_GT(planned(asked()).first, few);
  more.open = made.fit * 10;
  EXPECT_THROW(planned(more), Error);
}

/// Ranks that share the weights make no smaller network, and no dense weight is read for a plan.
TEST(SearchPlan, SharedWeightsStayWhereTheyAre) {
  Graph graph = test::mlp(3, 20, 3, 100, 5, 0, false);
  for_each_weight(graph, [](Weight& w) { w = in_sizes(w.size(), w); });  // throws if it is read
  plan::Question question;
  question.memory = std::uint64_t{1} << 30;
  std::uint64_t weights[2];
  for (const plan::Place place : {plan::Place::kReplicated, plan::Place::kSharded}) {
    plan::RunPlan run = make_run_plan(graph, question, place);
    const auto before = run.phases.back().bytes;
    add_search(run, graph, question, asked());
    const auto of = static_cast<std::size_t>(MemoryClass::kWeights);
    weights[place == plan::Place::kSharded ? 1 : 0] = run.phases.back().bytes[of] - before[of];
  }
  EXPECT_GT(weights[0], 0U);
  EXPECT_EQ(weights[1], 0U);
}

}  // namespace
}  // namespace coronet::search
