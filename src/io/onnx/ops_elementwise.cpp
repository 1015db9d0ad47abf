// Operators on single numbers, with broadcasting.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
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
    if constexpr (std::is_same_v<T, std::int64_t>) {
      value = op(a.integer(ia), b.integer(ib));
    } else {
      value = op(a.get<T>(ia), b.get<T>(ib));
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
std::vector<Tensor> binary(const OpNode& node, const Tensor& a, const Tensor& b, Real real,
                           Whole whole) {
  const Dims out = broadcast(a.dims(), b.dims());
  if (a.floating() != b.floating()) {
    throw Error(ErrorKind::kBadInput, "an integer and a float tensor are combined");
  }
  if (a.floating()) {
    return in_numbers(node, [&]<typename T>(T) -> std::vector<Tensor> {
      return {Tensor(a.type(), out, combine<T>(a, b, out, real))};
    });
  }
  return {Tensor(out, combine<std::int64_t>(a, b, out, whole), a.type())};
}

void need_float(const Tensor& x) {
  if (!x.floating()) throw Error(ErrorKind::kUnsupported, "element type is not a float");
}

/// op(v) for each element v of the only input, double or Interval.
template <typename Op>
std::vector<Tensor> unary(const OpNode& node, const Args& in, Op op) {
  const Tensor& x = arg(in, 0);
  need_float(x);
  return in_numbers(node, [&]<typename T>(T) -> std::vector<Tensor> {
    std::vector<T> y = x.values<T>();
    for (T& v : y) v = op(v);
    return {Tensor(x.type(), x.dims(), std::move(y))};
  });
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
std::vector<Tensor> fold(const OpNode& node, const Args& in, Pick pick) {
  std::vector<Tensor> result{arg(in, 0)};
  for (std::size_t k = 1; k < in.size(); ++k)
    result = binary(node, result[0], arg(in, k), pick, pick);
  return result;
}

/// The greater and the lesser of two doubles, integers or intervals.
constexpr auto kGreater = [](auto a, auto b) {
  using std::max;
  return max(a, b);
};
constexpr auto kLesser = [](auto a, auto b) {
  using std::min;
  return min(a, b);
};

}  // namespace

std::vector<Dims> infer_same(const OpNode&, const Args& in) { return {arg(in, 0).dims()}; }

std::vector<Dims> infer_broadcast(const OpNode&, const Args& in) {
  Dims out = arg(in, 0).dims();
  for (std::size_t k = 1; k < in.size(); ++k) out = broadcast(out, arg(in, k).dims());
  return {out};
}

std::vector<Tensor> evaluate_add(const OpNode& node, const Args& in) {
  return binary(node, arg(in, 0), arg(in, 1), std::plus<>(), wrapping(std::plus<>()));
}

std::vector<Tensor> evaluate_sub(const OpNode& node, const Args& in) {
  return binary(node, arg(in, 0), arg(in, 1), std::minus<>(), wrapping(std::minus<>()));
}

std::vector<Tensor> evaluate_mul(const OpNode& node, const Args& in) {
  return binary(node, arg(in, 0), arg(in, 1), std::multiplies<>(), wrapping(std::multiplies<>()));
}

std::vector<Tensor> evaluate_div(const OpNode& node, const Args& in) {
  return binary(node, arg(in, 0), arg(in, 1), std::divides<>(), divide);
}

std::vector<Tensor> evaluate_max(const OpNode& node, const Args& in) {
  return fold(node, in, kGreater);
}

std::vector<Tensor> evaluate_min(const OpNode& node, const Args& in) {
  return fold(node, in, kLesser);
}

std::vector<Tensor> evaluate_neg(const OpNode& node, const Args& in) {
  const Tensor& x = arg(in, 0);
  if (x.floating()) return unary(node, in, std::negate<>());
  std::vector<std::int64_t> y = x.integers();
  for (std::int64_t& v : y) v = divide(v, -1);
  return {Tensor(x.dims(), std::move(y), x.type())};
}

std::vector<Tensor> evaluate_relu(const OpNode& node, const Args& in) {
  return unary(node, in, [](auto v) { return kGreater(v, decltype(v)(0.0)); });
}

std::vector<Tensor> evaluate_leaky_relu(const OpNode& node, const Args& in) {
  const double alpha = node.real("alpha", static_cast<double>(0.01F));
  return unary(node, in, [alpha](auto v) {
    const decltype(v) zero = 0.0;
    return kGreater(v, zero) + decltype(v)(alpha) * kLesser(v, zero);
  });
}

std::vector<Tensor> evaluate_sigmoid(const OpNode& node, const Args& in) {
  return unary(node, in, [](auto v) {
    using std::exp;
    const decltype(v) one = 1.0;
    return one / (one + exp(-v));
  });
}

std::vector<Tensor> evaluate_tanh(const OpNode& node, const Args& in) {
  return unary(node, in, [](auto v) {
    using std::tanh;
    return tanh(v);
  });
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
  const ClipRange range = clip_range(node, in);
  return unary(node, in, [range](auto v) {
    return kLesser(kGreater(v, decltype(v)(range.low)), decltype(v)(range.high));
  });
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
  return in_numbers(node, [&]<typename T>(T) -> std::vector<Tensor> {
    using std::sqrt;
    std::vector<T> y = x.values<T>();
    for (std::size_t i = 0; i < y.size(); ++i) {
      const std::int64_t c = static_cast<std::int64_t>(i) / inner % channels;
      const T deviation = sqrt(in[4]->get<T>(c) + T(epsilon));
      y[i] = (y[i] - in[3]->get<T>(c)) / deviation * in[1]->get<T>(c) + in[2]->get<T>(c);
    }
    return {Tensor(x.type(), x.dims(), std::move(y))};
  });
}

}  // namespace coronet::importer
