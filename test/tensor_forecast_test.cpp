// What ranks that share neurons will hold and tell, forecast without numbers, against what they
// held and told.
#include "bound/tensor/forecast.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "ops/weight_sizes.h"
#include "plan/run_plan.h"
#include "tensor_cases.h"

namespace coronet {
namespace {

using bound::Method;

constexpr std::size_t kPackBytes = std::size_t{1} << 16;  // as bound_as_rank's
constexpr int kIterations = 5;

struct Case {
  std::string name;
  Graph graph;
  Mesh mesh;
  Method method;
  int zones = 0;
  int threads = 1;
};

std::vector<Case> cases() {
  std::vector<Case> all;
  const auto two = test::tensor(2);
  const auto four = test::tensor(4);
  for (const test::Named& n : test::tensor_graphs(1)) {
    all.push_back({n.name, n.graph, two, Method::kInterval});
    all.push_back({n.name, n.graph, two, Method::kCrown});
    all.push_back({n.name, n.graph, four, Method::kCrown});
    all.push_back({n.name, n.graph, two, Method::kAlpha});
    all.push_back({n.name, n.graph, test::tensor(2, 2), Method::kAlpha});
    all.push_back({n.name + ", 2 threads", n.graph, two, Method::kAlpha, 0, 2});
    if (bound::find_zones(n.graph).empty()) continue;
    all.push_back({n.name + ", a zone", n.graph, four, Method::kCrown, 1});
    all.push_back({n.name + ", a zone", n.graph, two, Method::kAlpha, 1});
  }
  return all;
}

bound::TensorQuery query_of(const Case& c) {
  bound::TensorQuery query = test::tensor_query(c.graph, c.method, 0.1);
  query.iterations = kIterations;
  query.form_settings.iterations = c.method == Method::kAlpha ? kIterations : 0;
  query.form_settings.converged = 0;
  return query;
}

Options options_of(const Case& c) {
  Options options = test::tensor_options();
  options.zones = c.zones;
  options.threads = c.threads;
  return options;
}

bound::TensorToCome to_come(const Case& c) {
  const bound::TensorQuery query = query_of(c);
  bound::TensorToCome run;
  run.ranks = c.mesh.tensor;
  run.groups = c.mesh.rows;
  run.lanes = c.threads;
  run.zones = c.zones;
  run.method = c.method;
  run.iterations = query.iterations;
  run.form_iterations = query.form_settings.iterations;
  run.forms = c.method == Method::kInterval ? 0 : c.graph.outputs();
  run.input_terms = true;
  run.chunk_mib = test::tensor_options().chunk_mib;
  run.pack_bytes = kPackBytes;
  return run;
}

TEST(TensorForecast, RankZeroTakesAndTellsWhatWasForecast) {
  std::uint64_t told = 0;
  for (const Case& c : cases()) {
    SCOPED_TRACE(c.name + ", " + words_of(c.mesh) + ", method " +
                 std::to_string(static_cast<int>(c.method)));
    const bound::FoundBounds found =
        test::bound_on_threads(c.mesh, c.graph, query_of(c), options_of(c));
    const bound::TensorForecast expected = bound::forecast_tensor(c.graph, to_come(c));
    const bound::TensorReport& share = found.shares.front();
    const MemoryUsage& took = found.ranks.front().memory;
    std::uint64_t bytes = 0;
    std::uint64_t collectives = 0;
    for (const bound::TensorTold& t : expected.told) {
      bytes += t.bytes;
      collectives += t.collectives;
    }
    std::uint64_t weights = 0;
    for (const std::uint64_t here : expected.weights) weights += here;
    EXPECT_EQ(share.told_bytes, bytes);
    EXPECT_EQ(share.collectives, collectives);
    EXPECT_EQ(took[MemoryClass::kWeights].most, weights);
    EXPECT_EQ(took[MemoryClass::kPackedWeights].most, expected.kernels.packed);
    EXPECT_EQ(took[MemoryClass::kBounds].most, expected.root_bytes);
    EXPECT_EQ(took[MemoryClass::kCommunication].most, expected.rooms);
    told += bytes;
    // Threads of a rank are not all at their most at the same time.
    if (c.threads > 1) {
      const auto threads = static_cast<std::uint64_t>(c.threads);
      EXPECT_LE(took[MemoryClass::kA].most, threads * expected.lane[MemoryClass::kA].most);
      EXPECT_LE(took[MemoryClass::kAlpha].most, threads * expected.lane[MemoryClass::kAlpha].most);
      continue;
    }
    EXPECT_EQ(took[MemoryClass::kA].most, expected.lane[MemoryClass::kA].most);
    EXPECT_EQ(took[MemoryClass::kAlpha].most, expected.lane[MemoryClass::kAlpha].most);
  }
  EXPECT_GT(told, 0U);
}

TEST(TensorForecast, ReadsNoDenseWeight) {
  Graph graph = test::mlp(3, 20, 3, 300, 5, 0, false);
  for_each_weight(graph, [](Weight& w) { w = in_sizes(w.size(), w); });  // throws if it is read
  Case c{"", graph, test::tensor(2), Method::kCrown};
  EXPECT_FALSE(bound::forecast_tensor(c.graph, to_come(c)).told.empty());
  c.zones = 5;
  EXPECT_THROW(bound::forecast_tensor(c.graph, to_come(c)), Error);
}

/// Each kind where it comes from: pull and push of what follows the first layer, no push without
/// alpha.
TEST(TensorForecast, SaysWhoTellsWhat) {
  Case c{"", test::mlp(3, 20, 3, 300, 5, 0, false), test::tensor(2), Method::kCrown};
  for (const Method method : {Method::kInterval, Method::kCrown, Method::kAlpha}) {
    c.method = method;
    std::map<bound::TensorTold::How, std::uint64_t> by;
    for (const bound::TensorTold& t : bound::forecast_tensor(c.graph, to_come(c)).told) {
      by[t.how] += t.bytes;
      EXPECT_GE(t.letters, t.collectives);
    }
    using How = bound::TensorTold::How;
    EXPECT_GT(by[How::kColumns], 0U);
    EXPECT_EQ(by[How::kPulled] > 0, method != Method::kInterval);
    EXPECT_EQ(by[How::kBounds] > 0, method != Method::kInterval);
    EXPECT_EQ(by[How::kPushed] > 0, method == Method::kAlpha);
  }
}

TEST(TensorPlan, HoldsASharePerRankAndHidesNoCollective) {
  const Graph graph = test::mlp(3, 20, 3, 300, 5, 0, false);
  plan::Question question;
  question.method = Method::kAlpha;
  question.iterations = question.spec_iterations = kIterations;
  const std::uint64_t whole = make_run_plan(graph, question, plan::Place::kReplicated).peak_bytes();
  std::uint64_t before = whole;
  for (const int tensor : {2, 4}) {
    question.ranks = question.tensor = tensor;
    const plan::RunPlan made = make_run_plan(graph, question, plan::Place::kReplicated);
    EXPECT_EQ(made.mesh, test::tensor(tensor));
    for (const plan::WeightPlan& w : made.weights) {
      EXPECT_GE(w.here * static_cast<std::uint64_t>(tensor), w.bytes);
      EXPECT_LE(w.here, w.bytes);
    }
    EXPECT_LT(made.peak_bytes(), before);
    before = made.peak_bytes();
    const plan::Phase& rows = made.phases.back();
    EXPECT_GT(rows.transfer_seconds, 0);
    EXPECT_DOUBLE_EQ(rows.seconds(), rows.compute_seconds + rows.transfer_seconds);
  }
}

}  // namespace
}  // namespace coronet
