// Operators on single numbers, with broadcasting.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "io/onnx/ops.h"

namespace coronet::importer {
namespace {

template <typename T, typename Op>
std::vector<T> combine(const Tensor& a, const Tensor& b, const Dims& out, Op op) {
  const Dims sa = broadcast_strides(a.dims(), out);
  const Dims sb = broadcast_strides(b.dims(), out);
  std::vector<T> result(static_cast<std::size_t>(element_count(out)));
  Dims at(out.size(), 0);
  std::int64_t ia = 0;
  std::int64_t ib = 0;
  for (T& value : result) {
    if constexpr (std::is_same_v<T, double>) {
      value = op(a.at(ia), b.at(ib));
    } else {
      value = op(a.integer(ia), b.integer(ib));
    }
    for (std::size_t k = out.size(); k-- > 0;) {
      ia += sa[k];
      ib += sb[k];
      if (++at[k] < out[k]) break;
      ia -= sa[k] * out[k];
      ib -= sb[k] * out[k];
      at[k] = 0;
    }
  }
  return result;
}

template <typename Real, typename Whole>
std::vector<Tensor> binary(const Tensor& a, const Tensor& b, Real real, Whole whole) {
  const Dims out = broadcast(a.dims(), b.dims());
  if (a.floating() != b.floating()) {
    throw Error(ErrorKind::kBadInput, "an integer and a float tensor are combined");
  }
  if (a.floating()) return {Tensor(a.type(), out, combine<double>(a, b, out, real))};
  return {Tensor(out, combine<std::int64_t>(a, b, out, whole), a.type())};
}

template <typename Op>
std::vector<Tensor> unary(const Tensor& x, Op op) {
  std::vector<double> y = x.values();
  for (double& v : y) v = op(v);
  return {Tensor(x.type(), x.dims(), std::move(y))};
}

/// Two's complement, so that shape arithmetic of a hostile file cannot overflow.
template <typename Op>
auto wrapping(Op op) {
  return [op](std::int64_t a, std::int64_t b) {
    return static_cast<std::int64_t>(
        op(static_cast<std::uint64_t>(a), static_cast<std::uint64_t>(b)));
  };
}

std::int64_t divide(std::int64_t a, std::int64_t b) {
  if (b == 0) throw Error(ErrorKind::kBadInput, "integer division by zero");
  if (b == -1) return static_cast<std::int64_t>(0 - static_cast<std::uint64_t>(a));
  return a / b;
}

template <typename Pick>
std::vector<Tensor> fold(const Args& in, Pick pick) {
  std::vector<Tensor> result{arg(in, 0)};
  for (std::size_t k = 1; k < in.size(); ++k) result = binary(result[0], arg(in, k), pick, pick);
  return result;
}

void need_float(const Tensor& x) {
  if (!x.floating()) throw Error(ErrorKind::kUnsupported, "element type is not a float");
}

}  // namespace

std::vector<Dims> infer_same(const OpNode&, const Args& in) { return {arg(in, 0).dims()}; }

std::vector<Dims> infer_broadcast(const OpNode&, const Args& in) {
  Dims out = arg(in, 0).dims();
  for (std::size_t k = 1; k < in.size(); ++k) out = broadcast(out, arg(in, k).dims());
  return {out};
}

std::vector<Tensor> evaluate_add(const OpNode&, const Args& in) {
  return binary(arg(in, 0), arg(in, 1), std::plus<>(), wrapping(std::plus<>()));
}

std::vector<Tensor> evaluate_sub(const OpNode&, const Args& in) {
  return binary(arg(in, 0), arg(in, 1), std::minus<>(), wrapping(std::minus<>()));
}

std::vector<Tensor> evaluate_mul(const OpNode&, const Args& in) {
  return binary(arg(in, 0), arg(in, 1), std::multiplies<>(), wrapping(std::multiplies<>()));
}

std::vector<Tensor> evaluate_div(const OpNode&, const Args& in) {
  return binary(arg(in, 0), arg(in, 1), std::divides<>(), divide);
}

std::vector<Tensor> evaluate_max(const OpNode&, const Args& in) {
  return fold(in, [](auto a, auto b) { return std::max(a, b); });
}

std::vector<Tensor> evaluate_min(const OpNode&, const Args& in) {
  return fold(in, [](auto a, auto b) { return std::min(a, b); });
}

std::vector<Tensor> evaluate_neg(const OpNode&, const Args& in) {
  const Tensor& x = arg(in, 0);
  if (x.floating()) return unary(x, [](double v) { return -v; });
  std::vector<std::int64_t> y = x.integers();
  for (std::int64_t& v : y) v = divide(v, -1);
  return {Tensor(x.dims(), std::move(y), x.type())};
}

std::vector<Tensor> evaluate_relu(const OpNode&, const Args& in) {
  need_float(arg(in, 0));
  return unary(arg(in, 0), [](double v) { return std::max(v, 0.0); });
}

std::vector<Tensor> evaluate_leaky_relu(const OpNode& node, const Args& in) {
  need_float(arg(in, 0));
  const double alpha = node.real("alpha", static_cast<double>(0.01F));
  return unary(arg(in, 0), [alpha](double v) { return v < 0 ? alpha * v : v; });
}

std::vector<Tensor> evaluate_sigmoid(const OpNode&, const Args& in) {
  need_float(arg(in, 0));
  return unary(arg(in, 0), [](double v) { return 1 / (1 + std::exp(-v)); });
}

std::vector<Tensor> evaluate_tanh(const OpNode&, const Args& in) {
  need_float(arg(in, 0));
  return unary(arg(in, 0), [](double v) { return std::tanh(v); });
}

ClipRange clip_range(const OpNode& node, const Args& in) {
  ClipRange range{-std::numeric_limits<double>::infinity(),
                  std::numeric_limits<double>::infinity()};
  if (node.opset < 11) {
    if (node.has("min")) range.low = node.real("min", 0);
    if (node.has("max")) range.high = node.real("max", 0);
    return range;
  }
  if (node.has("min") || node.has("max")) {
    throw Error(ErrorKind::kBadInput, "attributes 'min' and 'max' ended with opset 10");
  }
  for (const std::size_t k : {1, 2}) {
    if (!optional_arg(in, k)) continue;
    const Tensor& bound = constant_arg(in, k, k == 1 ? "min" : "max");
    if (bound.size() != 1) throw Error(ErrorKind::kBadInput, "a bound is not one number");
    (k == 1 ? range.low : range.high) = bound.at(0);
  }
  return range;
}

std::vector<Tensor> evaluate_clip(const OpNode& node, const Args& in) {
  need_float(arg(in, 0));
  const ClipRange range = clip_range(node, in);
  return unary(arg(in, 0),
               [range](double v) { return std::min(std::max(v, range.low), range.high); });
}

std::vector<Dims> infer_batch_normalization(const OpNode& node, const Args& in) {
  const Dims& dims = arg(in, 0).dims();
  if (node.integer("training_mode", 0) != 0 || node.outputs > 1) {
    throw Error(ErrorKind::kUnsupported, "training mode");
  }
  if (node.integer("spatial", 1) == 0) throw Error(ErrorKind::kUnsupported, "spatial = 0");
  const std::int64_t channels = dims.size() < 2 ? 1 : dims[1];
  for (std::size_t k = 1; k < 5; ++k) {
    if (constant_arg(in, k, "scale, bias, mean and variance").dims() != Dims{channels}) {
      throw Error(ErrorKind::kBadInput, fmt::format("input {} is not one number a channel", k));
    }
  }
  return {dims};
}

std::vector<Tensor> evaluate_batch_normalization(const OpNode& node, const Args& in) {
  const Tensor& x = arg(in, 0);
  infer_batch_normalization(node, in);
  const double epsilon = node.real("epsilon", static_cast<double>(1e-5F));
  const std::int64_t channels = in[1]->size();
  const std::int64_t inner =
      x.rank() < 2 ? 1 : element_count(Dims(x.dims().begin() + 2, x.dims().end()));
  std::vector<double> y = x.values();
  for (std::size_t i = 0; i < y.size(); ++i) {
    const std::int64_t c = static_cast<std::int64_t>(i) / inner % channels;
    y[i] = (y[i] - in[3]->at(c)) / std::sqrt(in[4]->at(c) + epsilon) * in[1]->at(c) + in[2]->at(c);
  }
  return {Tensor(x.type(), x.dims(), std::move(y))};
}

}  // namespace coronet::importer
