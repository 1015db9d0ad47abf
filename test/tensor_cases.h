// Bounds by ranks that share the neurons, on any transport.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "bound/tensor/run.h"
#include "bound/tensor/zones.h"
#include "comm/channel.h"
#include "comm/socket.h"
#include "comm/tcp.h"
#include "comm/threads.h"
#include "graphs.h"
#include "rank_cases.h"
#include "spec/mesh.h"

namespace coronet::test {

/// A node read as an image of other channels than it has, by every kind of operator for which that
/// matters.
inline Graph seen_otherwise(std::uint64_t seed) {
  Builder b(seed);
  int u = b.input({1, 1, 48});
  Conv c = conv_shape({4, 4, 3}, 4, square(3, 1, 1));
  c.weight = b.weight(4 * 27, 27, false);
  c.bias = b.draw.reals(4, -0.3, 0.3);
  u = b.add(std::move(c), {u}, {4, 4, 4});
  const int flat = b.add(Relu{}, {u}, {1, 1, 64});
  const int other = b.relu(b.dense(flat, 64));
  const int sum = b.add(Sum{{1, 0.5}}, {other, u}, {8, 4, 2});
  u = b.squash(b.add(Scale{b.draw.reals(2, -1, 1), b.draw.reals(2, -1, 1)}, {sum}, {8, 4, 2}), 1);
  Conv d = conv_shape({2, 4, 8}, 30, {2, 4, 1, 1, 1, 1, 0, 0, 0, 0, 2});
  d.weight = b.weight(30 * 32, 32, true);
  d.bias = b.draw.reals(30, -0.3, 0.3);
  u = b.add(std::move(d), {u}, {5, 2, 3});  // 1 x 1 x 30, declared an image
  b.dense(b.relu(u), 3);
  return b.finish();
}

inline std::vector<Named> tensor_graphs(int of_each) {
  std::vector<Named> all = random_networks(of_each);
  all.push_back({"seen otherwise", seen_otherwise(1)});
  Builder grouped(9);
  int u = grouped.input({6, 5, 4});
  u = grouped.relu(grouped.conv(u, 8, square(3, 1, 1, 1, 2)));
  u = grouped.relu(grouped.conv(u, 8, square(3, 2, 1, 1, 8)));
  grouped.dense(u, 1);
  all.push_back({"groups", grouped.finish()});
  return all;
}

/// The box of a graph, and differences of its outputs.
inline bound::TensorQuery tensor_query(const Graph& graph, bound::Method method, double radius) {
  Draw draw(5);
  const TestBox box(draw, graph.inputs(), radius);
  bound::TensorQuery query;
  query.lower = box.lower;
  query.upper = box.upper;
  query.method = method;
  query.iterations = 20;
  query.seconds = HUGE_VAL;
  if (method == bound::Method::kInterval) return query;
  query.forms.node = static_cast<int>(graph.nodes.size()) - 1;
  const int n = graph.outputs();
  query.forms.dense.assign(static_cast<std::size_t>(n) * n, 0.0);
  for (int i = 0; i < n; ++i) {
    query.forms.dense[i * n + i] = 1;
    query.forms.dense[i * n + (i + 1) % n] -= n > 1 ? 1 : 0;
    query.forms.constant.push_back(0.25 * i);
  }
  query.forms.input = AlignedVector<double>();
  for (int i = 0; i < n * graph.inputs(); ++i) query.forms.input.push_back(draw.real(-0.1, 0.1));
  query.form_settings.iterations = method == bound::Method::kAlpha ? 20 : 0;
  query.form_settings.stop_positive = false;
  return query;
}

inline Options tensor_options() {
  Options options;
  options.threads = 1;
  options.converged = 0;
  options.chunk_mib = 0.02;
  return options;
}

/// As any rank.
inline bound::FoundBounds bound_as_rank(comm::Channel& channel, const Mesh& mesh,
                                        const Graph& graph, const bound::TensorQuery& query,
                                        const Options& options = tensor_options()) {
  Graph own = graph;
  bound::TensorRun run(channel, mesh, own, "test", options, std::size_t{1} << 16);
  return run.bound(channel.rank() == 0 ? &query : nullptr);
}

/// One rank's word on the same, with intervals inside the zones.
inline bound::FoundBounds bound_by_one(const Graph& graph, const bound::TensorQuery& query,
                                       const std::vector<bound::Zone>& zones = {},
                                       const std::string& slope = "adaptive") {
  Engine engine(graph);
  engine.options = tensor_options();
  engine.options.slope = slope;
  bound::RootSettings settings;
  settings.method = query.method;
  settings.iterations = query.iterations;
  settings.all_neurons = true;
  settings.by_intervals.assign(graph.nodes.size(), 0);
  for (const bound::Zone& zone : zones) settings.by_intervals[zone.first] = 1;
  const bound::Root root = bound_root(engine.context, query.lower, query.upper, settings);
  bound::FoundBounds found;
  found.bounds = root.bounds;
  if (!query.forms.dense.empty()) {
    found.forms = bound_rows(engine.context, root, query.forms, query.form_settings).bound;
  }
  return found;
}

/// Relative to the largest bound of the same node: within 1e-5 of what one rank found.
inline void expect_close(const bound::FoundBounds& all, const bound::FoundBounds& one) {
  const auto close = [&](const std::vector<double>& a, const std::vector<double>& b,
                         const std::string& what) {
    ASSERT_EQ(a.size(), b.size()) << what;
    double size = 1e-3;
    for (const double x : b) size = std::max(size, std::fabs(x));
    for (std::size_t i = 0; i < a.size(); ++i) {
      EXPECT_NEAR(a[i], b[i], 1e-5 * size) << what << ", element " << i;
    }
  };
  ASSERT_EQ(all.bounds.lo.size(), one.bounds.lo.size());
  for (std::size_t v = 0; v < one.bounds.lo.size(); ++v) {
    close(all.bounds.lo[v], one.bounds.lo[v], "lower bounds of node " + std::to_string(v));
    close(all.bounds.hi[v], one.bounds.hi[v], "upper bounds of node " + std::to_string(v));
  }
  close(all.forms, one.forms, "forms");
}

inline void expect_same_bits(const bound::FoundBounds& a, const bound::FoundBounds& b) {
  EXPECT_EQ(a.bounds.lo, b.bounds.lo);
  EXPECT_EQ(a.bounds.hi, b.bounds.hi);
  EXPECT_EQ(a.forms, b.forms);
}

inline Mesh tensor(int ranks, int rows = 1) {
  Mesh mesh;
  mesh.tensor = ranks;
  mesh.rows = rows;
  return mesh;
}

/// What the last rank found, all having found the same.
inline bound::FoundBounds bound_on(std::vector<std::unique_ptr<comm::Channel>> channels,
                                   const Mesh& mesh, const Graph& graph,
                                   const bound::TensorQuery& query,
                                   const Options& options = tensor_options()) {
  std::vector<bound::FoundBounds> found(channels.size());
  comm::run_threads(std::move(channels), [&](comm::Channel& channel) {
    found[channel.rank()] = bound_as_rank(channel, mesh, graph, query, options);
  });
  for (const bound::FoundBounds& f : found) expect_same_bits(f, found.front());
  return found.back();
}

inline bound::FoundBounds bound_on_threads(const Mesh& mesh, const Graph& graph,
                                           const bound::TensorQuery& query,
                                           const Options& options = tensor_options()) {
  return bound_on(comm::thread_channels(mesh.ranks()), mesh, graph, query, options);
}

inline std::vector<std::unique_ptr<comm::Channel>> tcp_channels(int ranks) {
  std::vector<std::unique_ptr<comm::Channel>> channels(ranks);
  const std::uint16_t port = comm::Socket::listen(0).port();
  std::vector<std::thread> threads;
  for (int r = 0; r < ranks; ++r) {
    threads.emplace_back([&, r] {
      channels[r] = comm::join_tcp({.rank = r, .size = ranks, .host = "localhost", .port = port});
    });
  }
  for (std::thread& t : threads) t.join();
  return channels;
}

/// No value of a point inside lies beyond a bound.
inline void expect_sound(const bound::FoundBounds& found, const Graph& graph,
                         const bound::TensorQuery& query) {
  const Reference reference(graph);
  TestBox box;
  box.lower = query.lower;
  box.upper = query.upper;
  Draw draw(3);
  for (int s = 0; s < 30; ++s) {
    const std::vector<double> x = box.point(draw);
    const auto values = reference.values(x);
    for (std::size_t v = 0; v < values.size(); ++v) {
      for (std::size_t i = 0; i < values[v].size(); ++i) {
        ASSERT_LE(found.bounds.lo[v][i], values[v][i]) << "node " << v << ", " << i;
        ASSERT_GE(found.bounds.hi[v][i], values[v][i]) << "node " << v << ", " << i;
      }
    }
    const auto& y = values.back();
    for (std::size_t r = 0; r < found.forms.size(); ++r) {
      long double form = query.forms.constant[r];
      for (std::size_t i = 0; i < y.size(); ++i) {
        form += query.forms.dense[r * y.size() + i] * y[i];
      }
      for (std::size_t i = 0; i < x.size(); ++i) {
        form += static_cast<long double>(query.forms.input[r * x.size() + i]) * x[i];
      }
      ASSERT_LE(found.forms[r], form) << "form " << r;
    }
  }
}

}  // namespace coronet::test
