// Boxes bounded by ranks that share the neurons: as one rank bounds them, and never above the
// truth.
#include "bound/tensor/boxes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <variant>
#include <vector>

#include "tensor_cases.h"

namespace coronet::bound {
namespace {

constexpr int kBoxes = 7;

/// Some of one box, none of another.
BoxQuery query_of(const Graph& graph, double radius) {
  BoxQuery query;
  query.boxes = kBoxes;
  query.seconds = HUGE_VAL;
  query.forms.node = static_cast<int>(graph.nodes.size()) - 1;
  test::Draw draw(8);
  const int outputs = graph.outputs();
  for (int d = 0; d < kBoxes; ++d) {
    const test::TestBox box(draw, graph.inputs(), radius);
    query.lower.insert(query.lower.end(), box.lower.begin(), box.lower.end());
    query.upper.insert(query.upper.end(), box.upper.begin(), box.upper.end());
    for (int r = 0; r < d % 4; ++r) {
      query.box.push_back(d);
      for (int i = 0; i < outputs; ++i) query.forms.dense.push_back(draw.real(-1, 1));
      for (int i = 0; i < graph.inputs(); ++i) query.forms.input.push_back(draw.real(-0.1, 0.1));
      query.forms.constant.push_back(draw.real(-1, 1));
    }
  }
  return query;
}

BoxBounds bound_on(const Mesh& mesh, const Graph& graph, const BoxQuery& query,
                   const Options& options = test::tensor_options()) {
  BoxBounds found;
  comm::run_threads(comm::thread_channels(mesh.ranks()), [&](comm::Channel& channel) {
    Graph own = graph;
    TensorRun run(channel, mesh, own, "test", options, std::size_t{1} << 16);
    if (channel.rank() != 0) {
      while (run.more()) run.answer();
      return;
    }
    EXPECT_GE(run.boxes_at_once(), mesh.rows);
    run.more(true);
    found = run.bound(query);
    run.more(false);
  });
  return found;
}

/// The part of the query that is box d's.
struct One {
  std::vector<double> lower, upper;
  RowList forms;
  int first = 0;  ///< of its rows among all
};

One one_of(const Graph& graph, const BoxQuery& query, int d) {
  const int n = graph.inputs();
  One one;
  one.lower.assign(query.lower.begin() + d * n, query.lower.begin() + (d + 1) * n);
  one.upper.assign(query.upper.begin() + d * n, query.upper.begin() + (d + 1) * n);
  one.forms.node = query.forms.node;
  one.first =
      static_cast<int>(std::find(query.box.begin(), query.box.end(), d) - query.box.begin());
  for (std::size_t r = 0; r < query.box.size(); ++r) {
    if (query.box[r] != d) continue;
    const auto row = [&](const auto& all, int width, auto& to) {
      to.insert(to.end(), all.begin() + static_cast<std::ptrdiff_t>(r * width),
                all.begin() + static_cast<std::ptrdiff_t>((r + 1) * width));
    };
    row(query.forms.dense, graph.outputs(), one.forms.dense);
    row(query.forms.input, n, one.forms.input);
    row(query.forms.constant, 1, one.forms.constant);
  }
  return one;
}

bool relus_only(const Graph& graph) {
  return std::all_of(graph.nodes.begin(), graph.nodes.end(), [](const Node& node) {
    return !elementwise(node.op) || std::holds_alternative<Relu>(node.op);
  });
}

/// CROWN over each box by itself, which bounds by rows what it leaves unstable.
void expect_as_one_rank(const Graph& graph, const BoxQuery& query, const BoxBounds& found) {
  for (int d = 0; d < kBoxes; ++d) {
    const One one = one_of(graph, query, d);
    if (one.forms.dense.empty()) continue;
    test::Engine engine(graph);
    const Root root = bound_root(engine.context, one.lower, one.upper, {Method::kCrown, 0, false});
    const std::vector<double> bound = bound_rows(engine.context, root, one.forms, {}).bound;
    for (std::size_t r = 0; r < bound.size(); ++r) {
      const double here = found.value[one.first + r] - found.error[one.first + r];
      EXPECT_NEAR(here, bound[r], 1e-7 * (1 + std::fabs(bound[r]))) << "box " << d << " row " << r;
    }
  }
}

/// At points of the boxes, of the bounds and of the linear bounds that they are the least of.
void expect_sound(const Graph& graph, const BoxQuery& query, const BoxBounds& found) {
  const test::Reference reference(graph);
  test::Draw draw(3);
  const int inputs = graph.inputs();
  for (int d = 0; d < kBoxes; ++d) {
    const One one = one_of(graph, query, d);
    test::TestBox box;
    box.lower = one.lower;
    box.upper = one.upper;
    const int rows = static_cast<int>(one.forms.constant.size());
    for (int s = 0; s < 10 && rows > 0; ++s) {
      const std::vector<double> x = box.point(draw);
      const std::vector<long double> y = reference.values(x).back();
      for (int r = 0; r < rows; ++r) {
        long double f = one.forms.constant[r];
        for (std::size_t i = 0; i < y.size(); ++i) f += one.forms.dense[r * y.size() + i] * y[i];
        const double* const a = found.a.data() + static_cast<std::size_t>(one.first + r) * inputs;
        long double line = found.value[one.first + r];
        for (int i = 0; i < inputs; ++i) {
          f += static_cast<long double>(one.forms.input[r * inputs + i]) * x[i];
          line +=
              static_cast<long double>(a[i]) * (x[i] - (a[i] > 0 ? box.lower[i] : box.upper[i]));
        }
        EXPECT_GE(f, found.value[one.first + r] - found.error[one.first + r]);
        EXPECT_GE(f, line - found.error[one.first + r]) << "box " << d << " row " << r;
      }
    }
  }
}

TEST(TensorBoxes, BoundsAreThoseOfOneRank) {
  int relu = 0;
  for (const test::Named& n : test::tensor_graphs(1)) {
    for (const double radius : {0.05, 0.4}) {
      const BoxQuery query = query_of(n.graph, radius);
      for (const int ranks : {1, 2, 3}) {
        SCOPED_TRACE(n.name + ", " + std::to_string(ranks) + " ranks, radius " +
                     std::to_string(radius));
        const BoxBounds found = bound_on(test::tensor(ranks), n.graph, query);
        ASSERT_FALSE(found.timed_out);
        ASSERT_EQ(found.value.size(), query.box.size());
        if (relus_only(n.graph)) {
          ++relu;
          expect_as_one_rank(n.graph, query, found);
        }
        expect_sound(n.graph, query, found);
        ASSERT_EQ(found.ranks.size(), static_cast<std::size_t>(ranks));
        for (const RankReport& report : found.ranks) EXPECT_EQ(report.domains, kBoxes);
      }
    }
  }
  EXPECT_GT(relu, 10);
}

/// Up to what rounding can cost, which is counted for boxes together; in two runs, to the bit.
TEST(TensorBoxes, TheSameWhoeverBoundsThem) {
  for (const Graph& graph : {test::mlp(3, 6, 3, 20, 3), test::residual_net(1)}) {
    const BoxQuery query = query_of(graph, 0.1);
    const BoxBounds first = bound_on(test::tensor(2), graph, query);
    const BoxBounds again = bound_on(test::tensor(2), graph, query);
    EXPECT_EQ(again.value, first.value);
    EXPECT_EQ(again.error, first.error);
    EXPECT_EQ(again.a, first.a);
    Options threads = test::tensor_options();
    threads.threads = 3;
    Options large = test::tensor_options();
    large.chunk_mib = 100;
    for (const BoxBounds& other : {bound_on(test::tensor(2, 2), graph, query),
                                   bound_on(test::tensor(2), graph, query, threads),
                                   bound_on(test::tensor(2), graph, query, large)}) {
      const auto near = [](const std::vector<double>& a, const std::vector<double>& b) {
        ASSERT_EQ(a.size(), b.size());
        for (std::size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 1e-9) << i;
      };
      near(other.value, first.value);
      near(other.error, first.error);
      near(other.a, first.a);
    }
  }
}

TEST(TensorBoxes, OutOfTime) {
  const Graph graph = test::mlp(3, 6, 3, 20, 3);
  BoxQuery query = query_of(graph, 0.1);
  query.seconds = -1;
  const BoxBounds found = bound_on(test::tensor(2), graph, query);
  EXPECT_TRUE(found.timed_out);
  for (const double v : found.value) EXPECT_EQ(v, -HUGE_VAL);
}

}  // namespace
}  // namespace coronet::bound
