// Dropping dead neurons: the smaller graph is the same function on the box.
#include "bound/reduce.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "graph/evaluate.h"
#include "graphs.h"

namespace coronet::bound {
namespace {

using test::Builder;
using test::Engine;
using test::Reference;
using test::TestBox;

Dense& dense_at(Graph& graph, int v) {
  return std::get<Dense>(graph.nodes[static_cast<std::size_t>(v)].op);
}

Bounds bounds_of(const Graph& graph, const TestBox& box) {
  const Engine engine(graph);
  return interval_bounds(engine.net64, 1, box.lower, box.upper);
}

/// Makes every `each`-th neuron of dense layer v never active on boxes of a few units.
void kill(Graph& graph, int v, int each) {
  std::vector<double>& bias = dense_at(graph, v).bias;
  for (std::size_t j = 0; j < bias.size(); j += static_cast<std::size_t>(each)) bias[j] = -1000;
}

/// Sampled points of the box give the same outputs, within the bounds that select() leaves.
void expect_same(const Graph& graph, const Bounds& bounds, const Reduced& reduced,
                 const TestBox& box, std::uint64_t seed) {
  ASSERT_EQ(reduced.graph.nodes.size(), graph.nodes.size());
  ASSERT_EQ(reduced.kept.size(), graph.nodes.size());
  EXPECT_EQ(reduced.graph.input_order, graph.input_order);
  EXPECT_EQ(reduced.graph.output_order, graph.output_order);
  const Bounds fewer = reduced.select(bounds);
  for (std::size_t v = 0; v < graph.nodes.size(); ++v) {
    const Node& node = reduced.graph.nodes[v];
    ASSERT_EQ(static_cast<std::size_t>(node.shape.size()), reduced.kept[v].size());
    ASSERT_EQ(fewer.lo[v].size(), reduced.kept[v].size());
    ASSERT_EQ(fewer.hi[v].size(), reduced.kept[v].size());
    if (const auto* d = std::get_if<Dense>(&node.op)) {
      const Node& from = reduced.graph.nodes[static_cast<std::size_t>(node.inputs[0])];
      EXPECT_EQ(d->in, from.shape.size());
      EXPECT_EQ(d->out, node.shape.size());
      EXPECT_EQ(d->bias.size(), static_cast<std::size_t>(d->out));
      EXPECT_EQ(d->weight.f.size() + d->weight.d.size(),
                static_cast<std::size_t>(d->in) * static_cast<std::size_t>(d->out));
    }
  }
  const Reference before(graph);
  const Reference after(reduced.graph);
  test::Draw draw(seed);
  for (int s = 0; s < 100; ++s) {
    const std::vector<double> x = box.point(draw);
    const auto y = before.values(x);
    const auto z = after.values(x);
    for (std::size_t v = 0; v < y.size(); ++v) {
      const auto expected = reduced.select(static_cast<int>(v), y[v]);
      ASSERT_EQ(z[v].size(), expected.size());
      for (std::size_t j = 0; j < expected.size(); ++j) {
        EXPECT_NEAR(static_cast<double>(z[v][j]), static_cast<double>(expected[j]), 1e-12);
        EXPECT_GE(z[v][j], fewer.lo[v][j]);
        EXPECT_LE(z[v][j], fewer.hi[v][j]);
      }
    }
  }
}

TEST(Reduce, SameFunctionOnTheBox) {
  for (std::uint64_t seed = 0; seed < 12; ++seed) {
    SCOPED_TRACE(seed);
    Graph graph = test::mlp(seed, 4, 3, 12, 3, 0, seed % 3 == 0);
    for (const int v : {1, 3, 5}) kill(graph, v, 2 + static_cast<int>(seed + 1) % v);
    test::Draw draw(seed);
    const TestBox box(draw, 4, 0.5);
    const Bounds bounds = bounds_of(graph, box);
    const auto reduced = drop_dead_neurons(graph, bounds);
    ASSERT_TRUE(reduced.has_value());
    expect_same(graph, bounds, *reduced, box, seed);
    for (const int v : {2, 4, 6}) {
      const auto at = static_cast<std::size_t>(v);
      EXPECT_LT(reduced->kept[at].size(), 12U);
      EXPECT_EQ(reduced->kept[at], reduced->kept[at - 1]);
    }
    EXPECT_EQ(reduced->kept.front().size(), 4U);
    EXPECT_EQ(reduced->kept.back().size(), 3U);
  }
}

// A neuron of upper bound 0 is never active; one that reaches above it stays.
TEST(Reduce, OnlyNeuronsThatAreNeverPositiveGo) {
  const Graph graph = test::mlp(2, 2, 1, 4, 2);
  Bounds bounds(graph, 1);
  for (std::size_t v = 0; v < graph.nodes.size(); ++v) {
    const auto n = static_cast<std::size_t>(graph.nodes[v].shape.size());
    bounds.lo[v].assign(n, -1);
    bounds.hi[v].assign(n, 1);
  }
  bounds.hi[1] = {0, 1e-300, -0.0, std::nan("")};
  const auto reduced = drop_dead_neurons(graph, bounds);
  ASSERT_TRUE(reduced.has_value());
  EXPECT_EQ(reduced->kept[1], (std::vector<int>{1, 3}));
  EXPECT_EQ(reduced->select(1, std::vector<int>{10, 11, 12, 13}), (std::vector<int>{11, 13}));
}

TEST(Reduce, ALayerThatIsDeadAltogether) {
  for (const int dead : {1, 3, 5}) {
    SCOPED_TRACE(dead);
    Graph graph = test::mlp(static_cast<std::uint64_t>(dead), 3, 3, 8, 2);
    kill(graph, dead, 1);
    test::Draw draw(9);
    const TestBox box(draw, 3, 1);
    const Bounds bounds = bounds_of(graph, box);
    const auto reduced = drop_dead_neurons(graph, bounds);
    ASSERT_TRUE(reduced.has_value());
    EXPECT_EQ(reduced->kept[static_cast<std::size_t>(dead)].size(), 1U);
    expect_same(graph, bounds, *reduced, box, 4);
  }
}

TEST(Reduce, SharedReluOfSeveralDenseLayers) {
  Builder b(7);
  const int x = b.input({1, 1, 3});
  const int hidden = b.dense(x, 10);
  const int r = b.relu(hidden);
  b.sum({b.dense(r, 2), b.dense(r, 2)}, {1, -2});
  Graph graph = b.finish();
  kill(graph, hidden, 2);
  test::Draw draw(1);
  const TestBox box(draw, 3, 1);
  const Bounds bounds = bounds_of(graph, box);
  const auto reduced = drop_dead_neurons(graph, bounds);
  ASSERT_TRUE(reduced.has_value());
  expect_same(graph, bounds, *reduced, box, 3);
}

TEST(Reduce, SeveralRelusOfOneDenseLayer) {
  Builder b(11);
  b.input({1, 1, 3});
  const int hidden = b.dense(0, 10);
  b.sum({b.dense(b.relu(hidden), 2), b.dense(b.relu(hidden), 2)}, {1, 1});
  Graph graph = b.finish();
  kill(graph, hidden, 2);
  test::Draw draw(1);
  const TestBox box(draw, 3, 1);
  const Bounds bounds = bounds_of(graph, box);
  const auto reduced = drop_dead_neurons(graph, bounds);
  ASSERT_TRUE(reduced.has_value());
  expect_same(graph, bounds, *reduced, box, 6);
}

// Up to each node of networks of every kind, with some of that node's elements asked for.
TEST(Reduce, ThinnedGraphsAreTheSameFunctionOnTheBox) {
  for (const test::Named& n : test::random_networks(8)) {
    SCOPED_TRACE(n.name);
    test::Draw draw(5);
    const TestBox box(draw, n.graph.inputs(), 0.4);
    const Bounds bounds = bounds_of(n.graph, box);
    const Reference before(n.graph);
    for (int v = 1; v < static_cast<int>(n.graph.nodes.size()); ++v) {
      std::vector<int> asked;
      const int size = n.graph.nodes[static_cast<std::size_t>(v)].shape.size();
      for (int j = draw.whole(0, size - 1); j < size; j += draw.whole(1, 3)) asked.push_back(j);
      const auto thin = thin_out(n.graph, bounds, v, asked, 1e9);
      ASSERT_TRUE(thin.has_value());
      ASSERT_EQ(thin->graph.nodes.size(), static_cast<std::size_t>(v) + 1);
      EXPECT_TRUE(std::includes(thin->kept.back().begin(), thin->kept.back().end(), asked.begin(),
                                asked.end()));
      const Reference after(thin->graph);
      for (int s = 0; s < 5; ++s) {
        const std::vector<double> x = box.point(draw);
        const auto y = before.values(x);
        const auto z = after.values(x);
        const auto expected = thin->select(v, y[static_cast<std::size_t>(v)]);
        ASSERT_EQ(z.back().size(), expected.size());
        for (std::size_t j = 0; j < expected.size(); ++j) {
          EXPECT_NEAR(static_cast<double>(z.back()[j]), static_cast<double>(expected[j]), 1e-12);
        }
      }
      EXPECT_FALSE(thin_out(n.graph, bounds, v, asked, -1).has_value());
    }
  }
}

// An outline with the weights that `kept` picks is the same function, its unstable neurons first.
TEST(Reduce, OutlinesArePickedInTheirOwnOrder) {
  for (std::uint64_t seed = 0; seed < 6; ++seed) {
    SCOPED_TRACE(seed);
    Builder b(seed);
    int u = b.relu(b.dense(b.input({1, 1, 10}), 140));
    u = b.relu(b.dense(u, 150, seed % 2 == 1));
    if (seed % 3 == 2) {
      const int left = b.dense(u, 130);
      u = b.relu(b.sum({left, b.scale(b.dense(b.relu(b.dense(u, 120)), 130), 130)}, {1, 0.5}));
    }
    b.dense(u, 5);
    Graph graph = b.finish();
    for (std::size_t v = 0; v < graph.nodes.size(); ++v) {
      if (graph.nodes[v].shape.size() > 100 && std::holds_alternative<Dense>(graph.nodes[v].op)) {
        kill(graph, static_cast<int>(v), 3);
      }
    }
    test::Draw draw(seed);
    const TestBox box(draw, graph.inputs(), 0.05);
    const Bounds bounds = bounds_of(graph, box);
    const int last = static_cast<int>(graph.nodes.size()) - 1;
    auto reduced = outline(graph, bounds, last, {1, 3});
    ASSERT_TRUE(reduced);
    reduced->graph.input_order = graph.input_order;
    for (int v = 0; v <= last; ++v) {
      const Node& node = graph.nodes[v];
      const std::vector<int>& kept = reduced->kept[v];
      if (auto* d = std::get_if<Dense>(&reduced->graph.nodes[v].op)) {
        const auto& from = std::get<Dense>(node.op).weight;
        d->weight = {};
        for (int row : kept) {
          for (int column : reduced->kept[node.inputs[0]]) {
            const std::size_t at = static_cast<std::size_t>(row) * std::get<Dense>(node.op).in +
                                   static_cast<std::size_t>(column);
            if (from.f.empty()) {
              d->weight.d.push_back(from.d[at]);
            } else {
              d->weight.f.push_back(from.f[at]);
            }
          }
        }
      }
      if (!std::holds_alternative<Relu>(node.op)) continue;
      const int z = node.inputs[0];
      EXPECT_EQ(kept, reduced->kept[z]);
      const int sloped = reduced->sloped[v];
      ASSERT_GT(sloped, 0) << "node " << v;
      EXPECT_EQ(sloped % 32, 0);
      for (std::size_t i = static_cast<std::size_t>(sloped); i < kept.size(); ++i) {
        EXPECT_FALSE(bounds.lo[z][kept[i]] < 0 && bounds.hi[z][kept[i]] > 0) << "node " << v;
      }
    }
    for (int sample = 0; sample < 10; ++sample) {
      const std::vector<double> x = box.point(draw);
      const auto all = evaluate_nodes(graph, x);
      const auto some = evaluate_nodes(reduced->graph, x);
      for (int v = 0; v <= last; ++v) {
        for (std::size_t i = 0; i < reduced->kept[v].size(); ++i) {
          const double whole = all[v][reduced->kept[v][i]];
          EXPECT_NEAR(some[v][i], whole, 1e-9 * (1 + std::fabs(whole))) << "node " << v;
        }
      }
    }
  }
}

TEST(Reduce, NothingWhereItWouldNotBeTheSameOrNotWorthIt) {
  struct Case {
    std::string name;
    std::function<int(Builder&)> build;  ///< the dense layer whose neurons are dead
    int each = 1;
  };
  const std::vector<Case> cases = {{"LeakyReLU",
                                    [](Builder& b) {
                                      const int v = b.dense(0, 8);
                                      b.dense(b.relu(v, 0.1), 2);
                                      return v;
                                    }},
                                   {"dense layer read elsewhere",
                                    [](Builder& b) {
                                      const int v = b.dense(0, 8);
                                      b.sum({b.dense(b.relu(v), 8), v}, {1, 1});
                                      return v;
                                    }},
                                   {"ReLU read by a sum too",
                                    [](Builder& b) {
                                      const int v = b.dense(0, 8);
                                      const int r = b.relu(v);
                                      b.sum({b.dense(r, 8), r}, {1, 1});
                                      return v;
                                    }},
                                   {"convolution reads it",
                                    [](Builder& b) {
                                      const int v = b.dense(0, 16);
                                      b.graph.nodes[static_cast<std::size_t>(v)].shape = {4, 4, 1};
                                      b.dense(b.conv(b.relu(v), 2, test::square(2)), 2);
                                      return v;
                                    }},
                                   {"selection reads it",
                                    [](Builder& b) {
                                      const int v = b.dense(0, 8);
                                      b.dense(b.select({b.relu(v)}, {1, 1, 8}, true), 2);
                                      return v;
                                    }},
                                   {"ReLU is the output",
                                    [](Builder& b) {
                                      const int v = b.dense(0, 8);
                                      b.relu(v);
                                      return v;
                                    }},
                                   {"sigmoid",
                                    [](Builder& b) {
                                      const int v = b.dense(0, 8);
                                      b.dense(b.sigmoid(v), 2);
                                      return v;
                                    }},
                                   {"a twentieth",
                                    [](Builder& b) {
                                      const int v = b.dense(0, 20);
                                      b.dense(b.relu(v), 2);
                                      return v;
                                    },
                                    20}};
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    Builder b(5);
    b.input({1, 1, 3});
    const int v = c.build(b);
    Graph graph = b.finish();
    for (double& bias : dense_at(graph, v).bias) bias = 10;  // active, but for those killed
    kill(graph, v, c.each);
    const TestBox box = [] {
      test::Draw draw(2);
      return TestBox(draw, 3, 1);
    }();
    EXPECT_FALSE(drop_dead_neurons(graph, bounds_of(graph, box)).has_value());
  }
}

}  // namespace
}  // namespace coronet::bound
