// Graphs for the tests of the engine, a judge of them that shares no code with it, and what running
// it needs.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/options.h"
#include "base/parallel.h"
#include "base/progress.h"
#include "base/resources.h"
#include "base/rng.h"
#include "bound/context.h"
#include "bound/engine.h"
#include "bound/interval.h"
#include "bound/lines.h"
#include "bound/network.h"
#include "conv_shape.h"
#include "graph/evaluate.h"
#include "graph/graph.h"
#include "search/oracle.h"

namespace coronet::test {

/// Random numbers one after the other, the same on every machine.
class Draw {
 public:
  explicit Draw(std::uint64_t seed) : seed_(seed) {}
  double real(double lo, double hi) { return lo + (hi - lo) * uniform(seed_, 0, counter_++); }
  int whole(int lo, int hi) {  // both ends included
    return lo + static_cast<int>(
                    uniform_index(seed_, 0, counter_++, static_cast<std::uint64_t>(hi - lo + 1)));
  }
  double gauss() { return normal(seed_, 1, counter_++); }
  std::vector<double> reals(int count, double lo, double hi) {
    std::vector<double> all(static_cast<std::size_t>(count));
    for (double& x : all) x = real(lo, hi);
    return all;
  }

 private:
  std::uint64_t seed_;
  std::uint64_t counter_ = 0;
};

/// Adds nodes with random numbers.
class Builder {
 public:
  explicit Builder(std::uint64_t seed) : draw(seed) {}

  int add(Operator op, std::vector<int> inputs, const Shape& shape) {
    graph.nodes.push_back(
        {std::move(op), std::move(inputs), shape, "n" + std::to_string(graph.nodes.size())});
    return static_cast<int>(graph.nodes.size()) - 1;
  }
  [[nodiscard]] const Shape& shape(int v) const {
    return graph.nodes[static_cast<std::size_t>(v)].shape;
  }
  [[nodiscard]] int size(int v) const { return shape(v).size(); }

  int input(const Shape& s) { return add(Input{}, {}, s); }

  Weight weight(int count, int fan_in, bool float64) {
    Weight w;
    for (int i = 0; i < count; ++i) {
      const double x = draw.gauss() * std::sqrt(2.0 / fan_in);
      if (float64) {
        w.d.push_back(x);
      } else {
        w.f.push_back(static_cast<float>(x));
      }
    }
    return w;
  }

  int dense(int u, int out, bool float64 = false) {
    Dense d;
    d.in = size(u);
    d.out = out;
    d.weight = weight(d.in * out, d.in, float64);
    d.bias = draw.reals(out, -0.5, 0.5);
    return add(std::move(d), {u}, {1, 1, out});
  }

  int conv(int u, int channels, const Window2& w, bool float64 = false) {
    Conv c = conv_shape(shape(u), channels, w);
    const int fan_in = w.kernel_h * w.kernel_w * c.in.channels / w.groups;
    c.weight = weight(channels * fan_in, fan_in, float64);
    c.bias = draw.reals(channels, -0.3, 0.3);
    const Shape out = c.out;
    return add(std::move(c), {u}, out);
  }

  int scale(int u, int period) {
    return add(Scale{draw.reals(period, -1.5, 1.5), draw.reals(period, -0.5, 0.5)}, {u}, shape(u));
  }
  int sum(const std::vector<int>& inputs, const std::vector<double>& coefficient) {
    const Shape s = shape(inputs.front());
    return add(Sum{coefficient}, inputs, s);
  }
  /// Random elements of the inputs, some of them none.
  int select(const std::vector<int>& inputs, const Shape& out, bool constants) {
    int total = 0;
    for (int u : inputs) total += size(u);
    Select s;
    for (int i = 0; i < out.size(); ++i) s.index.push_back(draw.whole(-1, total - 1));
    if (constants) s.constant = draw.reals(out.size(), -1, 1);
    return add(std::move(s), inputs, out);
  }
  /// Each output reads a few different elements, some none.
  int sparse(int u, const Shape& out) {
    Sparse s;
    s.row.push_back(0);
    const int n = size(u);
    for (int i = 0; i < out.size(); ++i) {
      const int entries = draw.whole(0, std::min(4, n));
      const int first = draw.whole(0, n - 1);
      for (int e = 0; e < entries; ++e) {
        s.column.push_back((first + e * std::max(1, n / 5)) % n);
        s.value.push_back(draw.real(-1, 1));
        if (e > 0 && e * std::max(1, n / 5) >= n) {
          s.column.pop_back();
          s.value.pop_back();
        }
      }
      s.row.push_back(static_cast<std::int64_t>(s.column.size()));
      s.bias.push_back(draw.real(-0.5, 0.5));
    }
    return add(std::move(s), {u}, out);
  }
  int relu(int u, double slope = 0) { return add(Relu{slope}, {u}, shape(u)); }
  int sigmoid(int u) { return add(Sigmoid{}, {u}, shape(u)); }
  int tanh(int u) { return add(Tanh{}, {u}, shape(u)); }
  /// One of the elementwise operators.
  int squash(int u, int which) {
    switch (which % 4) {
      case 0:
        return relu(u);
      case 1:
        return relu(u, 0.125);
      case 2:
        return sigmoid(u);
      default:
        return tanh(u);
    }
  }
  /// max(u, v) = u + relu(v - u), as the reader writes MaxPool.
  int maximum(int u, int v) {
    const int gap = sum({v, u}, {1, -1});
    return sum({u, relu(gap)}, {1, 1});
  }

  /// With `permuted`, the ONNX orders are random permutations; else they are the graph's own.
  Graph finish(bool permuted = false) {
    const auto order = [&](int n) {
      std::vector<int> all(static_cast<std::size_t>(n));
      for (int i = 0; i < n; ++i) all[static_cast<std::size_t>(i)] = i;
      for (int i = n - 1; permuted && i > 0; --i) {
        std::swap(all[static_cast<std::size_t>(i)],
                  all[static_cast<std::size_t>(draw.whole(0, i))]);
      }
      return all;
    };
    graph.input_order = order(graph.inputs());
    graph.output_order = order(graph.outputs());
    return std::move(graph);
  }

  Graph graph;
  Draw draw;
};

struct Named {
  std::string name;
  Graph graph;
};

static_assert(std::variant_size_v<Operator> == 10,
              "a new operator needs its graphs in all_operators() and its form in Reference");

/// For every operator of the list but Input, in every form, a graph that ends with it.
inline std::vector<Named> all_operators() {
  std::vector<Named> all;
  std::uint64_t seed = 100;
  const auto with = [&](const std::string& name, const Shape& in,
                        const std::function<void(Builder&)>& build) {
    Builder b(++seed);
    b.input(in);
    build(b);
    all.push_back({name, b.finish()});
  };
  const Shape flat{1, 1, 12};
  const Shape image{6, 7, 4};
  for (const bool f64 : {false, true}) {
    const std::string type = f64 ? " float64" : " float32";
    with("dense 12x7" + type, flat, [&](Builder& b) { b.dense(0, 7, f64); });
    with("dense 12x1" + type, flat, [&](Builder& b) { b.dense(0, 1, f64); });
    with("dense 168x40" + type, image, [&](Builder& b) { b.dense(0, 40, f64); });
    with("dense to image" + type, flat, [&](Builder& b) {
      b.graph.nodes[static_cast<std::size_t>(b.dense(0, 60, f64))].shape = {4, 5, 3};
    });
    const std::vector<Window2> windows = {square(1),
                                          square(3, 1, 1),
                                          square(3, 2, 1),
                                          square(2, 2),
                                          square(3, 3),
                                          square(3, 1, 2, 2),
                                          square(3, 1, 1, 1, 2),
                                          square(3, 2, 1, 1, 4),
                                          {2, 3, 1, 2, 1, 1, 0, 1, 1, 0, 1},
                                          {3, 1, 2, 1, 1, 1, 2, 0, 0, 0, 1},
                                          square(5, 1, 2),
                                          {1, 3, 1, 1, 1, 2, 0, 2, 0, 1, 1}};
    for (std::size_t i = 0; i < windows.size(); ++i) {
      with("conv " + std::to_string(i) + type, image,
           [&](Builder& b) { b.conv(0, 8, windows[i], f64); });
    }
    with("conv 1-D" + type, {1, 20, 3}, [&](Builder& b) {
      b.conv(0, 5, {1, 5, 1, 2, 1, 1, 0, 2, 0, 1, 1}, f64);
    });
  }
  for (const int period : {1, 4, 28, 168}) {
    with("scale period " + std::to_string(period), image, [&](Builder& b) { b.scale(0, period); });
  }
  with("scale flat", flat, [](Builder& b) { b.scale(0, 12); });
  with("sum of one", image, [](Builder& b) { b.sum({0}, {-2.5}); });
  with("sum of two", image, [](Builder& b) { b.sum({b.scale(0, 4), b.scale(0, 1)}, {1, -1}); });
  with("sum of three", flat, [](Builder& b) {
    b.sum({b.scale(0, 12), b.scale(0, 1), b.dense(0, 12)}, {0.5, -1.25, 3});
  });
  for (const bool constants : {false, true}) {
    const std::string more = constants ? " and constants" : "";
    with("select" + more, flat, [&](Builder& b) { b.select({0}, {1, 1, 9}, constants); });
    with("select of three" + more, flat, [&](Builder& b) {
      b.select({b.dense(0, 5), b.scale(0, 12), b.dense(0, 1)}, {1, 1, 30}, constants);
    });
    with("select to image" + more, flat, [&](Builder& b) { b.select({0}, {4, 5, 2}, constants); });
    with("select of images" + more, image, [&](Builder& b) {
      b.select({b.conv(0, 3, square(3, 1, 1)), b.scale(0, 4)}, {6, 7, 5}, constants);
    });
  }
  with("sparse", flat, [](Builder& b) { b.sparse(0, {1, 1, 10}); });
  with("sparse to image", flat, [](Builder& b) { b.sparse(0, {4, 3, 2}); });
  with("sparse of an image", image, [](Builder& b) { b.sparse(0, {3, 3, 4}); });
  for (const double slope : {0.0, 0.01, 0.5}) {
    with("relu " + std::to_string(slope), flat, [&](Builder& b) { b.relu(b.dense(0, 9), slope); });
    with("relu of an image " + std::to_string(slope), image,
         [&](Builder& b) { b.relu(b.conv(0, 3, square(3)), slope); });
  }
  with("sigmoid", flat, [](Builder& b) { b.sigmoid(b.dense(0, 9)); });
  with("sigmoid of an image", image, [](Builder& b) { b.sigmoid(b.conv(0, 3, square(3))); });
  with("tanh", flat, [](Builder& b) { b.tanh(b.dense(0, 9)); });
  with("tanh of the input", flat, [](Builder& b) { b.tanh(0); });
  return all;
}

/// Input, layers of `width` neurons each behind elementwise operator `which` (see squash), outputs.
inline Graph mlp(std::uint64_t seed, int inputs, int layers, int width, int outputs, int which = 0,
                 bool permuted = false) {
  Builder b(seed);
  int u = b.input({1, 1, inputs});
  for (int i = 0; i < layers; ++i) u = b.squash(b.dense(u, width, seed % 2 == 1), which);
  b.dense(u, outputs);
  return b.finish(permuted);
}

inline Graph conv_net(std::uint64_t seed, int which = 0, bool permuted = false) {
  Builder b(seed);
  int u = b.input({7, 6, 2});
  u = b.squash(b.conv(u, 4, square(3, 1, 1)), which);
  u = b.squash(b.conv(u, 6, square(3, 2, 1)), which);
  u = b.squash(b.conv(u, 4, square(2)), which);
  u = b.squash(b.dense(u, 8), which);
  b.dense(u, 3);
  return b.finish(permuted);
}

/// Two branches with different kernels and strides that are added, twice, so that windows are
/// joined.
inline Graph residual_net(std::uint64_t seed, int which = 0, bool permuted = false) {
  Builder b(seed);
  int u = b.input({8, 8, 2});
  u = b.squash(b.conv(u, 3, square(3, 1, 1)), which);
  int left = b.squash(b.conv(u, 4, square(3, 2, 1)), which);
  left = b.conv(left, 4, square(3, 1, 1));
  int right = b.conv(u, 4, square(1, 2));
  u = b.squash(b.sum({left, right}, {1, 1}), which);
  left = b.conv(b.squash(b.conv(u, 4, square(5, 1, 2)), which), 4, square(3, 1, 1));
  u = b.squash(b.sum({left, u}, {0.5, 1}), which);
  u = b.squash(b.scale(b.conv(u, 3, square(2, 2)), 3), which);
  b.dense(u, 3);
  return b.finish(permuted);
}

/// What the reader makes of Concat, Pad, Transpose and pools between convolutions.
inline Graph image_dag(std::uint64_t seed, int which = 0, bool permuted = false) {
  Builder b(seed);
  int u = b.input({1, 1, 72});
  u = b.select({u}, {6, 6, 2}, false);
  const int first = b.squash(b.conv(u, 3, square(3, 1, 1)), which);
  const int joined = b.select({first, u}, {6, 6, 4}, true);
  int v = b.squash(b.conv(joined, 3, square(3, 1, 1)), which);
  v = b.sparse(v, {3, 3, 3});
  v = b.squash(b.conv(v, 4, square(2)), which);
  b.dense(b.select({v, first}, {1, 1, 20}, true), 3);
  return b.finish(permuted);
}

/// Nodes of every kind in random connection.
inline Graph dag(std::uint64_t seed, bool permuted = false) {
  Builder b(seed);
  b.input({1, 1, b.draw.whole(2, 6)});
  const int count = b.draw.whole(6, 14);
  for (int i = 0; i < count; ++i) {
    // Recent nodes more often, so that the graph is deep and wide.
    const auto any = [&] {
      return std::max(0, static_cast<int>(b.graph.nodes.size()) - b.draw.whole(1, 4));
    };
    const int u = any();
    switch (b.draw.whole(0, 9)) {
      case 0:
      case 1:
        b.dense(u, b.draw.whole(1, 7), b.draw.whole(0, 1) == 1);
        break;
      case 2:
        b.scale(u, b.draw.whole(0, 1) == 0 ? 1 : b.size(u));
        break;
      case 3: {
        const int n = b.size(u);
        b.sum({u, b.dense(any(), n), u}, {1, -0.5, 0.25});
        break;
      }
      case 4:
        b.select({u, any()}, {1, 1, b.draw.whole(1, 6)}, b.draw.whole(0, 1) == 1);
        break;
      case 5:
        b.sparse(u, {1, 1, b.draw.whole(1, 6)});
        break;
      case 6: {
        const int v = b.dense(any(), b.size(u));
        b.maximum(u, v);
        break;
      }
      default:
        b.squash(b.dense(u, b.draw.whole(2, 6)), b.draw.whole(0, 5));
        break;
    }
  }
  b.dense(static_cast<int>(b.graph.nodes.size()) - 1, 3);
  return b.finish(permuted);
}

/// Networks of every kind, small enough for everything.
inline std::vector<Named> random_networks(int of_each) {
  std::vector<Named> all;
  for (int i = 0; i < of_each; ++i) {
    const auto seed = static_cast<std::uint64_t>(i);
    const std::string number = " " + std::to_string(i);
    const bool permuted = i % 2 == 1;
    all.push_back({"mlp" + number, mlp(seed, 4, 3, 9, 3, i % 4, permuted)});
    all.push_back({"conv net" + number, conv_net(seed, i % 4, permuted)});
    all.push_back({"residual net" + number, residual_net(seed, i % 4, permuted)});
    all.push_back({"image dag" + number, image_dag(seed, i % 4, permuted)});
    all.push_back({"dag" + number, dag(seed, permuted)});
    all.push_back({"dag" + number + " more", dag(seed + 1000, permuted)});
  }
  return all;
}

/// The graph as plain matrices, applied in long double: the judge of every bound.
class Reference {
 public:
  struct Entry {
    int from;
    double value;
  };
  /// M of one input, by rows of the output.
  using Matrix = std::vector<std::vector<Entry>>;

  explicit Reference(const Graph& graph) : graph_(&graph) {
    for (const Node& n : graph.nodes) {
      std::vector<Matrix> parts;
      std::vector<double> bias(static_cast<std::size_t>(n.shape.size()), 0.0);
      for (std::size_t k = 0; k < n.inputs.size(); ++k) {
        parts.push_back(matrix(n, static_cast<int>(k), bias));
      }
      matrix_.push_back(std::move(parts));
      bias_.push_back(std::move(bias));
    }
  }
  [[nodiscard]] const Matrix& matrix(int node, int k) const {
    return matrix_[static_cast<std::size_t>(node)][static_cast<std::size_t>(k)];
  }
  [[nodiscard]] const std::vector<double>& bias(int node) const {
    return bias_[static_cast<std::size_t>(node)];
  }

  static long double value(const Operator& op, long double z) {
    if (const Relu* r = std::get_if<Relu>(&op)) return z > 0 ? z : r->negative_slope * z;
    if (std::holds_alternative<Sigmoid>(op)) {
      return z >= 0 ? 1 / (1 + std::exp(-z)) : std::exp(z) / (1 + std::exp(z));
    }
    return std::tanh(z);
  }

  /// Every node's value at x, all in the graph's own orders.
  [[nodiscard]] std::vector<std::vector<long double>> values(const std::vector<double>& x) const {
    std::vector<std::vector<long double>> all;
    all.emplace_back(x.begin(), x.end());
    for (std::size_t v = 1; v < graph_->nodes.size(); ++v) {
      const Node& n = graph_->nodes[v];
      std::vector<long double> y;
      if (bound::elementwise(n.op)) {
        for (const long double z : all[static_cast<std::size_t>(n.inputs[0])]) {
          y.push_back(value(n.op, z));
        }
      } else {
        y.assign(bias_[v].begin(), bias_[v].end());
        for (std::size_t k = 0; k < n.inputs.size(); ++k) {
          const auto& u = all[static_cast<std::size_t>(n.inputs[k])];
          for (std::size_t i = 0; i < y.size(); ++i) {
            for (const Entry& e : matrix_[v][k][i]) {
              y[i] += static_cast<long double>(e.value) * u[static_cast<std::size_t>(e.from)];
            }
          }
        }
      }
      all.push_back(std::move(y));
    }
    return all;
  }

 private:
  Matrix matrix(const Node& n, int k, std::vector<double>& bias) const {
    Matrix m(static_cast<std::size_t>(n.shape.size()));
    const auto in = [&](int j) {
      return graph_->nodes[static_cast<std::size_t>(n.inputs[static_cast<std::size_t>(j)])]
          .shape.size();
    };
    if (const auto* d = std::get_if<Dense>(&n.op)) {
      for (std::size_t i = 0; i < m.size(); ++i) {
        for (int j = 0; j < d->in; ++j) {
          m[i].push_back(
              {j, d->weight.at(i * static_cast<std::size_t>(d->in) + static_cast<std::size_t>(j))});
        }
      }
      bias = d->bias;
    } else if (const auto* c = std::get_if<Conv>(&n.op)) {
      const int cin = c->in.channels / c->groups;
      const int cout = c->out.channels / c->groups;
      for (int i = 0; i < n.shape.size(); ++i) {
        const int o = i % c->out.channels;
        const int x = i / c->out.channels % c->out.width;
        const int y = i / c->out.channels / c->out.width;
        for (int ky = 0; ky < c->kernel_h; ++ky) {
          for (int kx = 0; kx < c->kernel_w; ++kx) {
            const int iy = y * c->stride_h + ky * c->dilation_h - c->pad_top;
            const int ix = x * c->stride_w + kx * c->dilation_w - c->pad_left;
            if (iy < 0 || iy >= c->in.height || ix < 0 || ix >= c->in.width) continue;
            for (int ci = 0; ci < cin; ++ci) {
              m[static_cast<std::size_t>(i)].push_back(
                  {(iy * c->in.width + ix) * c->in.channels + o / cout * cin + ci,
                   c->weight.at(static_cast<std::size_t>(
                       ((o * c->kernel_h + ky) * c->kernel_w + kx) * cin + ci))});
            }
          }
        }
        bias[static_cast<std::size_t>(i)] = c->bias[static_cast<std::size_t>(o)];
      }
    } else if (const auto* s = std::get_if<Scale>(&n.op)) {
      for (std::size_t i = 0; i < m.size(); ++i) {
        m[i].push_back({static_cast<int>(i), s->scale[i % s->scale.size()]});
        bias[i] = s->shift[i % s->shift.size()];
      }
    } else if (const auto* a = std::get_if<Sum>(&n.op)) {
      for (std::size_t i = 0; i < m.size(); ++i) {
        m[i].push_back({static_cast<int>(i), a->coefficient[static_cast<std::size_t>(k)]});
      }
    } else if (const auto* p = std::get_if<Select>(&n.op)) {
      int first = 0;
      for (int j = 0; j < k; ++j) first += in(j);
      for (std::size_t i = 0; i < m.size(); ++i) {
        const int at = p->index[i] - first;
        if (p->index[i] >= 0 && at >= 0 && at < in(k)) m[i].push_back({at, 1});
      }
      if (!p->constant.empty()) bias = p->constant;
    } else if (const auto* q = std::get_if<Sparse>(&n.op)) {
      for (std::size_t i = 0; i < m.size(); ++i) {
        for (auto e = q->row[i]; e < q->row[i + 1]; ++e) {
          m[i].push_back(
              {q->column[static_cast<std::size_t>(e)], q->value[static_cast<std::size_t>(e)]});
        }
      }
      bias = q->bias;
    }
    return m;
  }

  const Graph* graph_;
  std::vector<std::vector<Matrix>> matrix_;
  std::vector<std::vector<double>> bias_;
};

/// What bound computations run in.
struct Engine {
  explicit Engine(const Graph& graph, int threads = 1,
                  double deadline_at = std::numeric_limits<double>::infinity(),
                  std::size_t pack_bytes = std::size_t{1} << 24)
      : net32(graph, pack_bytes),
        net64(graph, pack_bytes),
        workers(threads),
        deadline(deadline_at),
        context(net32, net64, options, workers, deadline, tracer) {
    options.threads = threads;
    options.converged = 0;
  }
  Options options;
  bound::Network<float> net32;
  bound::Network<double> net64;
  Workers workers;
  Deadline deadline;
  Tracer tracer;
  bound::Context context;
};

/// A box around a random point, in the graph's order.
struct TestBox {
  std::vector<double> lower, upper;

  TestBox() = default;
  TestBox(Draw& draw, int inputs, double radius) {
    for (int i = 0; i < inputs; ++i) {
      const double c = draw.real(-1, 1);
      const double r = radius * draw.real(0.2, 1);
      lower.push_back(c - r);
      upper.push_back(c + r);
    }
  }
  /// A point inside: corners, faces and the inside, by turns.
  [[nodiscard]] std::vector<double> point(Draw& draw) const {
    std::vector<double> x;
    const double at_end = draw.real(0, 1.2);
    for (std::size_t i = 0; i < lower.size(); ++i) {
      const double u = draw.real(0, 1);
      if (draw.real(0, 1) < at_end) {
        x.push_back(u < 0.5 ? lower[i] : upper[i]);
      } else {
        x.push_back(std::clamp(lower[i] + u * (upper[i] - lower[i]), lower[i], upper[i]));
      }
    }
    return x;
  }
};

/// x of the graph's order in that of the ONNX tensor.
inline std::vector<double> to_onnx(const Graph& graph, const std::vector<double>& x) {
  std::vector<double> y(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    y[static_cast<std::size_t>(graph.input_order[i])] = x[i];
  }
  return y;
}

/// Interval bounds of several boxes with the lines that they give, in both arithmetics.
struct Relaxed {
  bound::Bounds bounds;
  bound::Relaxation<float> relax32;
  bound::Relaxation<double> relax64;
  bound::Magnitudes<> magnitude;

  Relaxed(const bound::Network<double>& net, const std::vector<TestBox>& boxes,
          bound::Slope slope = bound::Slope::kAdaptive) {
    const int domains = static_cast<int>(boxes.size());
    std::vector<double> lo;
    std::vector<double> hi;
    for (const TestBox& b : boxes) {
      lo.insert(lo.end(), b.lower.begin(), b.lower.end());
      hi.insert(hi.end(), b.upper.begin(), b.upper.end());
    }
    bounds = interval_bounds(net, domains, lo, hi);
    relax32.lo.assign(lo.begin(), lo.end());
    relax32.hi.assign(hi.begin(), hi.end());
    relax64.lo.assign(lo.begin(), lo.end());
    relax64.hi.assign(hi.begin(), hi.end());
    const auto n = static_cast<std::size_t>(net.nodes());
    relax32.lines.resize(n);
    relax64.lines.resize(n);
    magnitude.value.resize(n);
    magnitude.affine.resize(n);
    for (int v = 0; v < net.nodes(); ++v) {
      bound::add_magnitudes(net, bounds, v, magnitude);
      if (!net.elementwise(v)) continue;
      const Operator& op = net.graph().nodes[static_cast<std::size_t>(v)].op;
      const auto u = static_cast<std::size_t>(net.inputs(v)[0]);
      const auto at = static_cast<std::size_t>(v);
      relax32.lines[at] = bound::make_lines<float>(op, net.size(v), domains, bounds.lo[u].data(),
                                                   bounds.hi[u].data(), slope);
      relax64.lines[at] = bound::make_lines<double>(op, net.size(v), domains, bounds.lo[u].data(),
                                                    bounds.hi[u].data(), slope);
    }
  }
  template <class T>
  [[nodiscard]] const bound::Relaxation<T>& relax() const {
    if constexpr (std::is_same_v<T, float>) {
      return relax32;
    } else {
      return relax64;
    }
  }
};

/// The graph's evaluation in double as a judge of counterexamples: taken as exact.
inline search::Evaluate as_exact(const Graph& graph) {
  return [&graph](const std::vector<double>& x) {
    const std::vector<double> y = evaluate(graph, x);
    return std::vector<Interval>(y.begin(), y.end());
  };
}

}  // namespace coronet::test
