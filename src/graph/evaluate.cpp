#include "graph/evaluate.h"

#include <cmath>
#include <cstdint>
#include <string>

#include "base/error.h"
#include "ops/tiles.h"

namespace coronet {
namespace {

using Values = std::vector<double>;

struct Apply {
  const std::vector<Values>& values;
  const Node& node;

  [[nodiscard]] const Values& in(std::size_t k) const {
    return values[static_cast<std::size_t>(node.inputs[k])];
  }

  template <typename Function>
  [[nodiscard]] Values map(Function f) const {
    Values y = in(0);
    for (double& v : y) v = f(v);
    return y;
  }

  Values operator()(const Input&) const {
    throw Error(ErrorKind::kInternal, "an Input stands inside the graph");
  }

  Values operator()(const Dense& op) const {
    const Values& u = in(0);
    Values y = op.bias;
    for_each_tile(op.weight, op.in, 0, op.out, [&](const WeightRows& tile) {
      tile.visit([&](const auto* w) {
        for (int i = tile.first; i < tile.last; ++i) {
          for (const double x : u) y[static_cast<std::size_t>(i)] += *w++ * x;
        }
      });
    });
    return y;
  }

  Values operator()(const Conv& op) const {
    const Values& u = in(0);
    const Weight weight = gathered(op.weight);
    Values y(static_cast<std::size_t>(op.out.size()));
    const int each = op.in.channels / op.groups;
    const int out_each = op.out.channels / op.groups;
    std::size_t at = 0;
    for (int oy = 0; oy < op.out.height; ++oy) {
      for (int ox = 0; ox < op.out.width; ++ox) {
        for (int o = 0; o < op.out.channels; ++o) {
          double sum = op.bias[static_cast<std::size_t>(o)];
          for (int kh = 0; kh < op.kernel_h; ++kh) {
            const int iy = oy * op.stride_h - op.pad_top + kh * op.dilation_h;
            if (iy < 0 || iy >= op.in.height) continue;
            for (int kw = 0; kw < op.kernel_w; ++kw) {
              const int ix = ox * op.stride_w - op.pad_left + kw * op.dilation_w;
              if (ix < 0 || ix >= op.in.width) continue;
              const auto tap = static_cast<std::size_t>((o * op.kernel_h + kh) * op.kernel_w + kw);
              const std::size_t w = tap * static_cast<std::size_t>(each);
              const auto from = static_cast<std::size_t>((iy * op.in.width + ix) * op.in.channels +
                                                         o / out_each * each);
              for (std::size_t c = 0; c < static_cast<std::size_t>(each); ++c) {
                sum += weight.at(w + c) * u[from + c];
              }
            }
          }
          y[at++] = sum;
        }
      }
    }
    return y;
  }

  Values operator()(const Scale& op) const {
    Values y = in(0);
    const std::size_t period = op.scale.size();
    for (std::size_t i = 0; i < y.size(); ++i)
      y[i] = op.scale[i % period] * y[i] + op.shift[i % period];
    return y;
  }

  Values operator()(const Sum& op) const {
    Values y(in(0).size(), 0);
    for (std::size_t k = 0; k < op.coefficient.size(); ++k) {
      const Values& u = in(k);
      for (std::size_t i = 0; i < y.size(); ++i) y[i] += op.coefficient[k] * u[i];
    }
    return y;
  }

  Values operator()(const Select& op) const {
    Values joined;
    for (std::size_t k = 0; k < node.inputs.size(); ++k)
      joined.insert(joined.end(), in(k).begin(), in(k).end());
    Values y(op.index.size(), 0);
    for (std::size_t i = 0; i < y.size(); ++i) {
      if (op.index[i] >= 0) y[i] = joined[static_cast<std::size_t>(op.index[i])];
      if (!op.constant.empty()) y[i] += op.constant[i];
    }
    return y;
  }

  Values operator()(const Sparse& op) const {
    const Values& u = in(0);
    Values y = op.bias;
    for (std::size_t i = 0; i < y.size(); ++i) {
      for (auto e = static_cast<std::size_t>(op.row[i]);
           e < static_cast<std::size_t>(op.row[i + 1]); ++e) {
        y[i] += op.value[e] * u[static_cast<std::size_t>(op.column[e])];
      }
    }
    return y;
  }

  Values operator()(const Relu& op) const {
    return map([&op](double v) { return v > 0 ? v : op.negative_slope * v; });
  }

  Values operator()(const Sigmoid&) const {
    return map([](double v) { return 1 / (1 + std::exp(-v)); });
  }

  Values operator()(const Tanh&) const {
    return map([](double v) { return std::tanh(v); });
  }
};

}  // namespace

std::vector<std::vector<double>> evaluate_nodes(const Graph& graph, std::span<const double> x) {
  if (static_cast<int>(x.size()) != graph.inputs()) {
    throw Error(ErrorKind::kInternal, "evaluate: " + std::to_string(x.size()) + " numbers for " +
                                          std::to_string(graph.inputs()) + " inputs");
  }
  std::vector<Values> values;
  values.reserve(graph.nodes.size());
  Values& first = values.emplace_back();
  for (const int i : graph.input_order) first.push_back(x[static_cast<std::size_t>(i)]);
  for (std::size_t n = 1; n < graph.nodes.size(); ++n) {
    values.push_back(std::visit(Apply{values, graph.nodes[n]}, graph.nodes[n].op));
  }
  return values;
}

std::vector<double> evaluate(const Graph& graph, std::span<const double> x) {
  const Values last = evaluate_nodes(graph, x).back();
  std::vector<double> y(last.size());
  for (std::size_t i = 0; i < y.size(); ++i)
    y[static_cast<std::size_t>(graph.output_order[i])] = last[i];
  return y;
}

}  // namespace coronet
