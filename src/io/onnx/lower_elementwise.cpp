// Lowering of operators on single numbers.
#include <algorithm>
#include <cmath>
#include <limits>

#include "io/onnx/exactness.h"
#include "io/onnx/lower_ops.h"
#include "io/onnx/ops.h"

namespace coronet::importer {
namespace {

View expanded(const Lowering& lowering, const View& view, const Dims& to) {
  if (view.dims == to) return view;
  return lowering.strided(view, to, broadcast_strides(view.dims, to));
}

std::vector<double> expanded(const Tensor& constant, const Dims& to) {
  if (constant.size() == 1) return constant.values();
  return constant.strided(to, broadcast_strides(constant.dims(), to), 0).values();
}

std::vector<double> times(std::vector<double> v, double factor) {
  for (double& x : v) x *= factor;
  return v;
}

/// ca * a + cb * b, broadcast; at least one of the two is a variable.
View combine(Lowering& lowering, const LowerNode& node, double ca, double cb) {
  const Dims& to = node.out[0];
  if (!node.views[0]) {
    return lowering.affine(expanded(lowering, *node.views[1], to), {cb},
                           times(expanded(*node.in[0], to), ca), *node.name);
  }
  const View a = expanded(lowering, *node.views[0], to);
  if (!node.views[1]) {
    return lowering.affine(a, {ca}, times(expanded(*node.in[1], to), cb), *node.name);
  }
  return lowering.sum(a, ca, expanded(lowering, *node.views[1], to), cb, *node.name);
}

/// max(a, b) = b + relu(a - b); min(a, b) = b - relu(b - a). `sign` is 1 for max, -1 for min.
View extreme(Lowering& lowering, const LowerNode& node, double sign) {
  const Dims& to = node.out[0];
  const std::string& name = *node.name;
  std::vector<double> constant;
  View result;
  bool first = true;
  for (std::size_t k = 0; k < node.in.size(); ++k) {
    if (!node.views[k]) {
      const std::vector<double> more =
          node.in[k]->strided(to, broadcast_strides(node.in[k]->dims(), to), 0).values();
      if (constant.empty()) constant = more;
      for (std::size_t i = 0; i < more.size(); ++i) {
        constant[i] = sign > 0 ? std::max(constant[i], more[i]) : std::min(constant[i], more[i]);
      }
      continue;
    }
    const View b = expanded(lowering, *node.views[k], to);
    if (first) {
      result = b;
      first = false;
      continue;
    }
    const View over = lowering.apply(Relu{}, lowering.sum(result, sign, b, -sign, name), name);
    result = lowering.sum(b, 1, over, sign, name);
  }
  if (constant.empty()) return result;
  const View over =
      lowering.apply(Relu{}, lowering.affine(result, {sign}, times(constant, -sign), name), name);
  return lowering.affine(over, {sign}, constant, name);
}

}  // namespace

std::vector<View> lower_add(Lowering& lowering, const LowerNode& node) {
  return {combine(lowering, node, 1, 1)};
}

std::vector<View> lower_sub(Lowering& lowering, const LowerNode& node) {
  return {combine(lowering, node, 1, -1)};
}

std::vector<View> lower_mul(Lowering& lowering, const LowerNode& node) {
  const std::size_t k = node.views[0] ? 0 : 1;
  return {lowering.affine(expanded(lowering, *node.views[k], node.out[0]),
                          expanded(*node.in[1 - k], node.out[0]), {0}, *node.name)};
}

std::vector<View> lower_div(Lowering& lowering, const LowerNode& node) {
  std::vector<double> scale = expanded(*node.in[1], node.out[0]);
  Exactness exact;
  for (double& s : scale) s = exact.inverse(s);
  const Precision precision{exact.rounded() ? 1 : 0, {}};
  return {lowering.affine(expanded(lowering, *node.views[0], node.out[0]), std::move(scale), {0},
                          *node.name, precision)};
}

std::vector<View> lower_neg(Lowering& lowering, const LowerNode& node) {
  return {lowering.affine(*node.views[0], {-1}, {0}, *node.name)};
}

std::vector<View> lower_max(Lowering& lowering, const LowerNode& node) {
  return {extreme(lowering, node, 1)};
}

std::vector<View> lower_min(Lowering& lowering, const LowerNode& node) {
  return {extreme(lowering, node, -1)};
}

std::vector<View> lower_clip(Lowering& lowering, const LowerNode& node) {
  // a + relu(x - a) - relu(x - b): a difference of ReLUs, which follows no other order than x's.
  const ClipRange range = clip_range(*node.op, node.in);
  const std::string& name = *node.name;
  const bool low = range.low > -std::numeric_limits<double>::infinity();
  const bool high = range.high < std::numeric_limits<double>::infinity();
  const View& x = *node.views[0];
  if (!low && !high) return {x};
  const auto above = [&](double bound) {
    return lowering.apply(Relu{}, lowering.affine(x, {1}, {-bound}, name), name);
  };
  if (!high) return {lowering.affine(above(range.low), {1}, {range.low}, name)};
  if (!low) {
    const View under = lowering.apply(Relu{}, lowering.affine(x, {-1}, {range.high}, name), name);
    return {lowering.affine(under, {-1}, {range.high}, name)};
  }
  const View lower = above(range.low);
  return {
      lowering.affine(lowering.sum(lower, 1, above(range.high), -1, name), {1}, {range.low}, name)};
}

std::vector<View> lower_relu(Lowering& lowering, const LowerNode& node) {
  return {lowering.apply(Relu{}, *node.views[0], *node.name)};
}

std::vector<View> lower_leaky_relu(Lowering& lowering, const LowerNode& node) {
  const double alpha = node.op->real("alpha", static_cast<double>(0.01F));
  const std::string& name = *node.name;
  if (alpha >= 0 && alpha < 1) return {lowering.apply(Relu{alpha}, *node.views[0], name)};
  const View up = lowering.apply(Relu{}, *node.views[0], name);
  const View down = lowering.apply(Relu{}, lowering.affine(*node.views[0], {-1}, {0}, name), name);
  return {lowering.sum(up, 1, down, -alpha, name)};
}

std::vector<View> lower_sigmoid(Lowering& lowering, const LowerNode& node) {
  return {lowering.apply(Sigmoid{}, *node.views[0], *node.name)};
}

std::vector<View> lower_tanh(Lowering& lowering, const LowerNode& node) {
  return {lowering.apply(Tanh{}, *node.views[0], *node.name)};
}

std::vector<View> lower_batch_normalization(Lowering& lowering, const LowerNode& node) {
  const Dims& dims = node.out[0];
  const double epsilon = node.op->real("epsilon", static_cast<double>(1e-5F));
  const std::int64_t channels = node.in[1]->size();
  std::int64_t inner = 1;
  for (std::size_t k = 2; k < dims.size(); ++k) inner *= dims[k];
  const std::int64_t size = element_count(dims);
  std::vector<double> scale, shift, sizes;
  for (std::int64_t i = 0; i < size; ++i) {
    const std::int64_t c = i / inner % channels;
    scale.push_back(node.in[1]->at(c) / std::sqrt(node.in[4]->at(c) + epsilon));
    const double moved = node.in[3]->at(c) * scale.back();
    shift.push_back(node.in[2]->at(c) - moved);
    sizes.push_back(std::fabs(node.in[2]->at(c)) + std::fabs(moved));
  }
  // Sum, root, quotient; then product and difference.
  Precision precision = precision_of(5, shift, std::move(sizes));
  return {lowering.affine(*node.views[0], std::move(scale), std::move(shift), *node.name,
                          std::move(precision))};
}

}  // namespace coronet::importer
