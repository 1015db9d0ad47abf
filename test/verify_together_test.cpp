// Verdicts of ranks that share the neurons: never wrong, and those of one rank that splits nothing.
#include "search/verify_together.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "hard_queries.h"
#include "queries.h"
#include "tensor_cases.h"

namespace coronet::search {
namespace {

Options without_splits() {
  Options options = test::tensor_options();
  options.branch = "none";
  options.refine = false;
  options.iterations = 10;
  options.spec_iterations = 10;
  return options;
}

Result verify_on(int ranks, const Graph& graph, const Property& property, const Options& options) {
  Result result;
  comm::run_threads(comm::thread_channels(ranks), [&](comm::Channel& channel) {
    Graph share = graph;
    bound::TensorRun run(channel, test::tensor(ranks), share, "test", options,
                         std::size_t{1} << 16);
    if (channel.rank() != 0) {
      while (run.more()) run.answer();
      return;
    }
    Tracer tracer;
    result = verify_together(run, graph, property, test::as_exact(graph), options, tracer);
    run.more(false);
  });
  return result;
}

/// Networks small enough for a whole search to decide.
std::vector<test::Named> networks() {
  std::vector<test::Named> all = test::tiny_networks();
  all.push_back({"zones", test::mlp(2, 3, 4, 4, 2)});
  return all;
}

/// So that bounds prove something.
void narrow(Property& property) {
  for (Box& box : property.boxes) {
    for (std::size_t i = 0; i < box.lower.size(); ++i) {
      box.upper[i] = box.lower[i] + (box.upper[i] - box.lower[i]) / 16;
    }
  }
}

TEST(VerifyTogether, IsNeverWrong) {
  std::map<Verdict, int> seen;
  int ranks = 1;
  for (const test::Named& n : networks()) {
    test::Draw draw(77);
    for (int q = 0; q < 4; ++q) {
      Property property = test::random_property(n.graph, draw);
      if (q % 2 == 1) narrow(property);
      ranks = ranks % 4 + 1;
      Options options = without_splits();
      options.zones = q % 2 == 0 ? 0 : static_cast<int>(bound::find_zones(n.graph).size());
      options.method = q % 3 == 0 ? "interval" : q % 3 == 1 ? "crown" : "alpha";
      options.attack = q != 3;
      SCOPED_TRACE(n.name + ", query " + std::to_string(q) + ", " + std::to_string(ranks) +
                   " ranks");
      const Result result = verify_on(ranks, n.graph, property, options);
      test::expect_honest(n.graph, property, result);
      ++seen[result.verdict];
      const Result whole = test::run(n.graph, property, {});
      if (result.verdict == Verdict::kHolds) {
        EXPECT_EQ(whole.verdict, Verdict::kHolds);
      }
      if (result.verdict == Verdict::kViolated) {
        EXPECT_EQ(whole.verdict, Verdict::kViolated);
      }
    }
  }
  for (const Verdict v : {Verdict::kHolds, Verdict::kViolated, Verdict::kUnknown}) {
    EXPECT_GT(seen[v], 3) << static_cast<int>(v);
  }
  EXPECT_EQ(seen[Verdict::kTimeout], 0);
}

/// The bounds of clauses are those of one rank, and so is what they refute.
TEST(VerifyTogether, RefutesWhatOneRankDoes) {
  const Graph graph = test::mlp(3, 4, 3, 12, 4);
  test::Draw draw(5);
  int holds = 0;
  for (int q = 0; q < 12; ++q) {
    Property property = test::random_property(graph, draw);
    if (q % 2 == 0) narrow(property);
    Options options = without_splits();
    options.method = "crown";
    options.attack = false;
    Tracer tracer;
    const Result one = verify(graph, property, test::as_exact(graph), options, tracer);
    const Result together = verify_on(3, graph, property, options);
    EXPECT_EQ(together.verdict, one.verdict);
    holds += one.verdict == Verdict::kHolds ? 1 : 0;
    for (std::size_t k = 0; k < one.clauses.size(); ++k) {
      EXPECT_EQ(together.clauses[k].decided_by.empty(), one.clauses[k].decided_by.empty());
      if (one.clauses[k].decided_by != "crown") continue;
      EXPECT_NEAR(together.clauses[k].bound, one.clauses[k].bound,
                  1e-5 * (1 + std::fabs(one.clauses[k].bound)));
    }
    EXPECT_EQ(together.ranks.size(), 3U);
  }
  EXPECT_GT(holds, 1);
}

/// Queries that input splitting decides, holding and violated, of one box and of several, with
/// constraints that only hold together.
std::vector<test::Query> splittable() {
  std::vector<test::Query> all;
  for (std::uint64_t seed = 0; seed < 3; ++seed) {
    const std::string which = std::to_string(seed);
    const auto add = [&](const std::string& name, Graph graph, int boxes, double margin) {
      all.push_back(test::low_outputs(name + " " + which, std::move(graph), boxes, 0.6, margin,
                                      test::options_of("input"), seed));
    };
    add("mlp", test::mlp(seed + 20, 3, 3, 12, 2), 2, 0.05);
    add("pairs", test::mlp(seed + 30, 2, 2, 9, 2), 2, 0.02);
    test::add_pair(all.back());
    add("leaky", test::mlp(seed + 40, 2, 2, 8, 2, 1), 1, 0.05);
    add("smooth", test::mlp(seed + 40, 2, 2, 5, 2, 3), 1, 0.1);
    add("violated", test::mlp(seed + 50, 4, 2, 7, 2), 2, -0.001);
    all.back().options.attack = true;
  }
  return all;
}

TEST(VerifyTogether, SplitsInputsToTheVerdictOfOneRank) {
  int holds = 0;
  int violated = 0;
  for (const test::Query& q : splittable()) {
    const Result one = verify_on(1, q.graph, q.property, q.options);
    Tracer tracer;
    const Result whole = verify(q.graph, q.property, test::as_exact(q.graph), q.options, tracer);
    ASSERT_TRUE(whole.verdict == Verdict::kHolds || whole.verdict == Verdict::kViolated) << q.name;
    for (const int ranks : {2, 3}) {
      SCOPED_TRACE(q.name + ", " + std::to_string(ranks) + " ranks");
      const Result together = verify_on(ranks, q.graph, q.property, q.options);
      EXPECT_EQ(together.verdict, whole.verdict) << together.reason;
      test::expect_honest(q.graph, q.property, together);
      // Where a point is found at once, none is asked for anything.
      if (together.domains > 0) {
        EXPECT_EQ(together.ranks.size(), static_cast<std::size_t>(ranks));
      }
      for (const RankReport& report : together.ranks) EXPECT_EQ(report.domains, together.domains);
      // The same tree, but where a bound is within rounding of what decides.
      EXPECT_NEAR(static_cast<double>(together.domains), static_cast<double>(one.domains),
                  0.05 * static_cast<double>(one.domains) + 4);
      if (together.verdict == Verdict::kHolds && together.domains > 10) ++holds;
      violated += together.verdict == Verdict::kViolated ? 1 : 0;
    }
  }
  EXPECT_GT(holds, 10) << "the roots decide nearly all";
  EXPECT_GT(violated, 4);
}

TEST(VerifyTogether, SplitsOfRandomQueriesAreNeverWrong) {
  std::map<Verdict, int> seen;
  int ranks = 1;
  for (const test::Named& n : test::tiny_networks()) {
    test::Draw draw(31);
    for (int q = 0; q < 3; ++q) {
      const Property property = test::random_property(n.graph, draw);
      ranks = ranks % 3 + 1;
      Options options = test::options_of(q == 2 ? "auto" : "input");
      options.attack = q != 0;
      options.timeout = elapsed_seconds() + 0.5;
      SCOPED_TRACE(n.name + ", query " + std::to_string(q) + ", " + std::to_string(ranks) +
                   " ranks");
      const Result result = verify_on(ranks, n.graph, property, options);
      test::expect_honest(n.graph, property, result);
      ++seen[result.verdict];
      const Result whole = test::run(n.graph, property, {});
      if (result.verdict == Verdict::kHolds || result.verdict == Verdict::kViolated) {
        EXPECT_EQ(result.verdict, whole.verdict);
      }
    }
  }
  EXPECT_GT(seen[Verdict::kHolds], 3);
  EXPECT_GT(seen[Verdict::kViolated], 3);
}

TEST(VerifyTogether, TimeLeavesBoxesOpen) {
  const test::Query endless = test::low_outputs("endless", test::mlp(3, 12, 4, 40, 3), 1, 0.7, 0.01,
                                                test::options_of("input"), 3);
  Options options = endless.options;
  options.timeout = elapsed_seconds() + 0.5;
  const double begin = elapsed_seconds();
  const Result late = verify_on(2, endless.graph, endless.property, options);
  EXPECT_EQ(late.verdict, Verdict::kTimeout) << late.reason;
  EXPECT_GT(late.open_domains, 0);
  EXPECT_LT(elapsed_seconds() - begin, 5);
}

TEST(VerifyTogether, OutOfTimeAndNothingAsked) {
  const Graph graph = test::mlp(2, 5, 3, 40, 3);
  test::Draw draw(5);
  Property property = test::random_property(graph, draw);
  Options options = without_splits();
  options.timeout = 1e-9;
  options.attack = false;
  const Result late = verify_on(2, graph, property, options);
  EXPECT_EQ(late.verdict, Verdict::kTimeout);
  EXPECT_FALSE(late.reason.empty());
  property.clauses.clear();
  options.timeout = 0;
  EXPECT_EQ(verify_on(2, graph, property, options).verdict, Verdict::kHolds);
}

}  // namespace
}  // namespace coronet::search
