// Pools and reductions, as ONNX defines them, in double.
#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "base/error.h"
#include "io/onnx/ops.h"
#include "io/onnx/window.h"

namespace coronet::importer {
namespace {

/// Calls start(), take(value) for each tap inside the input, taps counted inside the padded input,
/// finish() -> number.
template <typename Pool>
std::vector<Tensor> run_pool(const OpNode& node, const Tensor& x, Pool pool) {
  const Window w = pool_window_of(node, x.dims());
  const Dims out = w.out_dims(x.dims()[0], x.dims()[1]);
  const auto u = x.values<typename Pool::Number>();
  std::vector<typename Pool::Number> y;
  y.reserve(static_cast<std::size_t>(element_count(out)));
  for (std::int64_t plane = 0; plane < x.dims()[0] * x.dims()[1]; ++plane) {
    const auto* from = u.data() + plane * w.in[0] * w.in[1];
    for (std::int64_t oy = 0; oy < w.out[0]; ++oy) {
      for (std::int64_t ox = 0; ox < w.out[1]; ++ox) {
        pool.start();
        for (std::int64_t kh = 0; kh < w.kernel[0]; ++kh) {
          for (std::int64_t kw = 0; kw < w.kernel[1]; ++kw) {
            const std::int64_t iy = w.source(0, oy, kh);
            const std::int64_t ix = w.source(1, ox, kw);
            if (w.inside(0, iy) && w.inside(1, ix)) pool.take(from[iy * w.in[1] + ix]);
          }
        }
        y.push_back(pool.finish(w.kernel[0] * w.kernel[1]));
      }
    }
  }
  return {Tensor(x.type(), out, std::move(y))};
}

template <typename T>
struct MaxTaps {
  using Number = T;
  T best = 0.0;
  void start() { best = -std::numeric_limits<double>::infinity(); }
  void take(T v) {
    using std::max;
    best = max(best, v);
  }
  [[nodiscard]] T finish(std::int64_t) const { return best; }
};

template <typename T>
struct MeanTaps {
  using Number = T;
  bool count_padding = false;
  T sum = 0.0;
  std::int64_t count = 0;
  void start() {
    sum = 0.0;
    count = 0;
  }
  void take(T v) {
    sum += v;
    ++count;
  }
  [[nodiscard]] T finish(std::int64_t taps) const {
    return sum / T(static_cast<double>(count_padding ? taps : count));
  }
};

std::vector<Tensor> reduce(const OpNode& node, const Args& in, bool mean) {
  const Tensor& x = arg(in, 0);
  const Reduction r = reduction_of(node, in);
  const Dims strides = strides_of(x.dims());
  const Dims to = broadcast_strides(r.kept, x.dims());
  return in_numbers(node, [&]<typename T>(T) -> std::vector<Tensor> {
    std::vector<T> y(static_cast<std::size_t>(element_count(r.out)));
    for (std::int64_t i = 0; i < x.size(); ++i) {
      std::int64_t o = 0;
      for (std::size_t k = 0; k < strides.size(); ++k) o += i / strides[k] % x.dims()[k] * to[k];
      y[static_cast<std::size_t>(o)] += x.get<T>(i);
    }
    if (mean) {
      for (T& v : y) v /= static_cast<double>(r.count);
    }
    if (x.floating()) return {Tensor(x.type(), r.out, std::move(y))};
    return {Tensor(r.out, Tensor(x.type(), r.out, std::move(y)).integers(), x.type())};
  });
}

}  // namespace

std::vector<Dims> infer_max_pool(const OpNode& node, const Args& in) {
  if (node.outputs > 1) throw Error(ErrorKind::kUnsupported, "output Indices");
  const Dims& x = arg(in, 0).dims();
  const Window w = pool_window_of(node, x);
  const Dims out = w.out_dims(x[0], x[1]);
  element_count(out);
  for (std::size_t a = 0; a < 2; ++a) {
    for (std::int64_t o = 0; o < w.out[a]; ++o) {
      bool any = false;
      for (std::int64_t k = 0; k < w.kernel[a] && !any; ++k) any = w.inside(a, w.source(a, o, k));
      if (!any) throw Error(ErrorKind::kUnsupported, "a window lies entirely in the padding");
    }
  }
  return {out};
}

std::vector<Dims> infer_average_pool(const OpNode& node, const Args& in) {
  std::vector<Dims> out = infer_max_pool(node, in);
  const Window w = pool_window_of(node, arg(in, 0).dims());
  for (std::size_t a = 0; a < 2; ++a) {
    const bool overruns = w.source(a, w.out[a] - 1, w.kernel[a] - 1) >= w.in[a] + w.pad_end[a];
    // Runtimes and versions of the standard disagree on the divisor of such a window.
    if (overruns && node.integer("count_include_pad", 0) != 0) {
      throw Error(ErrorKind::kUnsupported,
                  "count_include_pad with a window that ceil_mode lets overrun the padding");
    }
  }
  return out;
}

std::vector<Tensor> evaluate_max_pool(const OpNode& node, const Args& in) {
  return in_numbers(node, [&]<typename T>(T) { return run_pool(node, arg(in, 0), MaxTaps<T>()); });
}

std::vector<Tensor> evaluate_average_pool(const OpNode& node, const Args& in) {
  return in_numbers(node, [&]<typename T>(T) {
    MeanTaps<T> taps;
    taps.count_padding = node.integer("count_include_pad", 0) != 0;
    return run_pool(node, arg(in, 0), taps);
  });
}

std::vector<Dims> infer_global_average_pool(const OpNode&, const Args& in) {
  Dims dims = arg(in, 0).dims();
  if (dims.size() < 3) throw Error(ErrorKind::kBadInput, "no spatial dimension");
  if (element_count(dims) == 0) throw Error(ErrorKind::kBadInput, "empty input");
  std::fill(dims.begin() + 2, dims.end(), 1);
  return {dims};
}

std::vector<Tensor> evaluate_global_average_pool(const OpNode& node, const Args& in) {
  const Tensor& x = arg(in, 0);
  const Dims out = infer_global_average_pool(node, in)[0];
  const std::int64_t planes = element_count(out);
  const std::int64_t area = x.size() / planes;
  return in_numbers(node, [&]<typename T>(T) -> std::vector<Tensor> {
    std::vector<T> y(static_cast<std::size_t>(planes));
    for (std::int64_t i = 0; i < x.size(); ++i)
      y[static_cast<std::size_t>(i / area)] += x.get<T>(i);
    for (T& v : y) v /= static_cast<double>(area);
    return {Tensor(x.type(), out, std::move(y))};
  });
}

Reduction reduction_of(const OpNode& node, const Args& in) {
  Reduction r;
  r.kept = arg(in, 0).dims();
  const auto rank = static_cast<std::int64_t>(r.kept.size());
  const auto axes = attribute_or_input(node, "axes", in, 1).value_or(std::vector<std::int64_t>());
  const bool all = axes.empty() && node.integer("noop_with_empty_axes", 0) == 0;
  r.reduced.assign(r.kept.size(), all);
  for (const std::int64_t axis : axes)
    r.reduced[static_cast<std::size_t>(normal_axis(axis, rank))] = true;
  const bool keep = node.integer("keepdims", 1) != 0;
  if (element_count(r.kept) == 0) throw Error(ErrorKind::kBadInput, "empty input");
  for (std::size_t k = 0; k < r.kept.size(); ++k) {
    if (!r.reduced[k]) {
      r.out.push_back(r.kept[k]);
      continue;
    }
    r.count *= r.kept[k];
    r.kept[k] = 1;
    if (keep) r.out.push_back(1);
  }
  return r;
}

std::vector<Dims> infer_reduce(const OpNode& node, const Args& in) {
  return {reduction_of(node, in).out};
}

std::vector<Tensor> evaluate_reduce_sum(const OpNode& node, const Args& in) {
  return reduce(node, in, false);
}

std::vector<Tensor> evaluate_reduce_mean(const OpNode& node, const Args& in) {
  return reduce(node, in, true);
}

}  // namespace coronet::importer
