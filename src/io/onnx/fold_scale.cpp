// Scales move into the operators beside them.
#include <algorithm>

#include "io/onnx/exactness.h"
#include "io/onnx/fold.h"
#include "ops/tiles.h"

namespace coronet::importer {
namespace {

bool is_one(const Scale& s) {
  return std::all_of(s.scale.begin(), s.scale.end(), [](double v) { return v == 1; });
}

bool no_shift(const Scale& s) {
  return std::all_of(s.shift.begin(), s.shift.end(), [](double v) { return v == 0; });
}

/// weight[i] *= factor(i), in double.
template <typename Factor>
void multiply(Weight& weight, Exactness& exact, Factor factor) {
  if (!weight.here()) weight = gathered(weight);
  std::vector<double> product(weight.size());
  for (std::size_t i = 0; i < product.size(); ++i) {
    product[i] = exact.times(weight.at(i), factor(i));
  }
  weight.f = {};
  weight.d = std::move(product);
}

/// bias = bias * scale + shift, and the sizes of its terms; the numbers of `s` repeat.
std::vector<double> scale_bias(std::vector<double>& bias, const Precision& precision,
                               Exactness& exact, const Scale& s) {
  const std::size_t period = s.scale.size();
  std::vector<double> sizes(bias.size());
  for (std::size_t r = 0; r < bias.size(); ++r) {
    const std::size_t k = r % period;
    sizes[r] = size_of_terms(bias, precision, r) * std::fabs(s.scale[k]) +
               size_of_terms(s.shift, s.precision, k);
    bias[r] = exact.plus(exact.times(bias[r], s.scale[k]), s.shift[k]);
  }
  return sizes;
}

/// `rows` rows of the weight, and the bias, follow the scale of the operator's output.
template <typename Op>
void scale_rows(Op& op, const Scale& s) {
  const std::size_t period = s.scale.size();
  const std::size_t width = op.weight.size() / op.bias.size();
  Exactness exact;
  if (!is_one(s)) {
    multiply(op.weight, exact, [&](std::size_t i) { return s.scale[i / width % period]; });
  }
  std::vector<double> sizes = scale_bias(op.bias, op.precision, exact, s);
  const int more = exact.rounded() ? 2 : 0;
  op.precision = precision_of(op.precision.roundings + s.precision.roundings + more, op.bias,
                              std::move(sizes));
}

/// The columns of the weight, of which `columns` in a row belong to input channels, follow the
/// scale of the operator's input. `first(row)` is the input channel of a row's first column.
template <typename Op, typename First>
void scale_columns(Op& op, std::size_t columns, const Scale& s, First first) {
  const std::size_t period = s.scale.size();
  const std::size_t width = op.weight.size() / op.bias.size();
  const auto channel = [&](std::size_t i) {
    return (first(i / width) + i % width % columns) % period;
  };
  int more = 0;
  std::vector<double> sizes(op.bias.size());
  for (std::size_t r = 0; r < sizes.size(); ++r) sizes[r] = size_of_terms(op.bias, op.precision, r);
  if (!no_shift(s)) {
    Exactness exact;
    if (!op.weight.here()) op.weight = gathered(op.weight);
    for (std::size_t i = 0; i < op.weight.size(); ++i) {
      const double w = op.weight.at(i);
      const std::size_t k = channel(i);
      sizes[i / width] += std::fabs(w) * size_of_terms(s.shift, s.precision, k);
      op.bias[i / width] = exact.plus(op.bias[i / width], exact.times(w, s.shift[k]));
    }
    if (exact.rounded()) more = static_cast<int>(width) + 1;
  }
  if (!is_one(s)) {
    Exactness exact;
    multiply(op.weight, exact, [&](std::size_t i) { return s.scale[channel(i)]; });
    if (exact.rounded()) more = std::max(more, 1);
  }
  op.precision = precision_of(op.precision.roundings + s.precision.roundings + more, op.bias,
                              std::move(sizes));
}

bool padded(const Conv& c) {
  const auto overruns = [](int in, int out, int stride, int dilation, int kernel, int pad) {
    return (out - 1) * stride - pad + dilation * (kernel - 1) >= in;
  };
  return c.pad_top > 0 || c.pad_left > 0 ||
         overruns(c.in.height, c.out.height, c.stride_h, c.dilation_h, c.kernel_h, c.pad_top) ||
         overruns(c.in.width, c.out.width, c.stride_w, c.dilation_w, c.kernel_w, c.pad_left);
}

bool fold_into_previous(Node& before, const Scale& s) {
  const std::size_t period = s.scale.size();
  if (auto* dense = std::get_if<Dense>(&before.op)) {
    scale_rows(*dense, s);
    return true;
  }
  if (auto* conv = std::get_if<Conv>(&before.op)) {
    if (period != 1 && period != conv->bias.size()) return false;
    scale_rows(*conv, s);
    return true;
  }
  if (auto* sparse = std::get_if<Sparse>(&before.op)) {
    Exactness exact;
    for (std::size_t r = 0; r < sparse->bias.size(); ++r) {
      for (std::int64_t e = sparse->row[r]; e < sparse->row[r + 1]; ++e) {
        double& value = sparse->value[static_cast<std::size_t>(e)];
        value = exact.times(value, s.scale[r % period]);
      }
    }
    std::vector<double> sizes = scale_bias(sparse->bias, sparse->precision, exact, s);
    sparse->precision = precision_of(
        sparse->precision.roundings + s.precision.roundings + (exact.rounded() ? 2 : 0),
        sparse->bias, std::move(sizes));
    return true;
  }
  if (auto* scale = std::get_if<Scale>(&before.op)) {
    const std::size_t longer = std::max(scale->scale.size(), period);
    Scale both;
    both.precision.roundings = scale->precision.roundings;
    Exactness exact;
    for (std::size_t i = 0; i < longer; ++i) {
      const std::size_t k = i % scale->scale.size();
      both.scale.push_back(exact.times(scale->scale[k], s.scale[i % period]));
      both.shift.push_back(scale->shift[k]);
      if (!scale->precision.hidden.empty())
        both.precision.hidden.push_back(scale->precision.hidden[k]);
    }
    std::vector<double> sizes = scale_bias(both.shift, both.precision, exact, s);
    both.precision =
        precision_of(both.precision.roundings + s.precision.roundings + (exact.rounded() ? 2 : 0),
                     both.shift, std::move(sizes));
    *scale = std::move(both);
    return true;
  }
  return false;
}

bool fold_into_next(const Scale& s, Node& after) {
  if (auto* dense = std::get_if<Dense>(&after.op)) {
    scale_columns(*dense, static_cast<std::size_t>(dense->in), s,
                  [](std::size_t) { return std::size_t{0}; });
    return true;
  }
  auto* conv = std::get_if<Conv>(&after.op);
  if (!conv) return false;
  const auto channels = static_cast<std::size_t>(conv->in.channels);
  if (s.scale.size() != 1 && s.scale.size() != channels) return false;
  // Padding is zero after the scale, so a shift must not reach it.
  if (padded(*conv) && !no_shift(s)) return false;
  const std::size_t each = channels / static_cast<std::size_t>(conv->groups);
  const std::size_t rows = conv->bias.size() / static_cast<std::size_t>(conv->groups);
  scale_columns(*conv, each, s, [&](std::size_t row) { return row / rows * each; });
  return true;
}

}  // namespace

void fold_scales(Graph& graph) {
  std::vector<std::vector<int>> readers = readers_of(graph);
  for (std::size_t n = 1; n < graph.nodes.size(); ++n) {
    const auto* scale = std::get_if<Scale>(&graph.nodes[n].op);
    if (!scale) continue;
    const int u = graph.nodes[n].inputs[0];
    Node& before = graph.nodes[static_cast<std::size_t>(u)];
    if (readers[static_cast<std::size_t>(u)].size() == 1 && fold_into_previous(before, *scale)) {
      bypass(graph, static_cast<int>(n), u);
      readers = readers_of(graph);
    }
  }
  drop_dead(graph);
  readers = readers_of(graph);
  for (std::size_t n = graph.nodes.size(); n-- > 1;) {
    const auto* scale = std::get_if<Scale>(&graph.nodes[n].op);
    if (!scale || readers[n].size() != 1 || readers[n][0] < 0) continue;
    if (!fold_into_next(*scale, graph.nodes[static_cast<std::size_t>(readers[n][0])])) continue;
    bypass(graph, static_cast<int>(n), graph.nodes[n].inputs[0]);
    readers = readers_of(graph);
  }
  drop_dead(graph);
}

}  // namespace coronet::importer
