// Matrix products and convolutions, as ONNX defines them, in double.
#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "io/onnx/ops.h"
#include "io/onnx/window.h"

namespace coronet::importer {
namespace {

/// c[m, n] += a[m, k] b[k, n], row-major, but for b[k, n] standing at bt + k * bk + n * bn; b's
/// numbers are read once each.
template <typename T>
void multiply(const Tensor& a, std::int64_t at, const Tensor& b, std::int64_t bt, std::int64_t bk,
              std::int64_t bn, const Product& p, T* c) {
  const std::vector<T> left = a.strided({p.m, p.k}, {p.k, 1}, at).values<T>();
  const auto add = [&](std::int64_t k, std::int64_t n) {
    const T w = b.get<T>(bt + k * bk + n * bn);
    for (std::int64_t m = 0; m < p.m; ++m)
      c[m * p.n + n] += left[static_cast<std::size_t>(m * p.k + k)] * w;
  };
  // Either way each sum runs over k upwards; what differs is how the weight is walked through.
  // A weight in a file is forgotten piece by piece.
  std::int64_t read = 0;
  const auto line_ends = [&](std::int64_t step, std::int64_t line, std::int64_t length) {
    read += length;
    if (read < Tensor::kRead / 4) return;
    const std::int64_t lines = read / length;
    b.forget(bt + (line + 1 - lines) * step, (lines - 1) * step + length);
    read = 0;
  };
  if (bk == 1) {
    for (std::int64_t n = 0; n < p.n; ++n) {
      for (std::int64_t k = 0; k < p.k; ++k) add(k, n);
      line_ends(bn, n, p.k);
    }
  } else {
    for (std::int64_t k = 0; k < p.k; ++k) {
      for (std::int64_t n = 0; n < p.n; ++n) add(k, n);
      line_ends(bk, k, p.n);
    }
  }
}

void need_float(const Args& in) {
  for (const Tensor* t : in) {
    if (t && t->known() && !t->floating()) {
      throw Error(ErrorKind::kUnsupported, "element type is not a float");
    }
  }
}

Tensor transposed(const Tensor& x) {
  return x.strided({x.dims()[1], x.dims()[0]}, {1, x.dims()[1]}, 0);
}

}  // namespace

Product product_of(const Dims& a, const Dims& b) {
  Product p;
  p.a = a;
  p.b = b;
  if (p.a.empty() || p.b.empty()) throw Error(ErrorKind::kBadInput, "product with a scalar");
  const bool row = p.a.size() == 1;
  const bool column = p.b.size() == 1;
  if (row) p.a.insert(p.a.begin(), 1);
  if (column) p.b.push_back(1);
  p.m = p.a[p.a.size() - 2];
  p.k = p.a.back();
  p.n = p.b.back();
  if (p.k != p.b[p.b.size() - 2]) {
    throw Error(ErrorKind::kBadInput,
                fmt::format("product of shapes {} and {}", to_string(a), to_string(b)));
  }
  p.batch = broadcast(Dims(p.a.begin(), p.a.end() - 2), Dims(p.b.begin(), p.b.end() - 2));
  p.out = p.batch;
  if (!row) p.out.push_back(p.m);
  if (!column) p.out.push_back(p.n);
  element_count(p.out);
  return p;
}

std::vector<Dims> infer_matmul(const OpNode&, const Args& in) {
  return {product_of(arg(in, 0).dims(), arg(in, 1).dims()).out};
}

std::vector<Tensor> evaluate_matmul(const OpNode& node, const Args& in) {
  need_float(in);
  const Product p = product_of(arg(in, 0).dims(), arg(in, 1).dims());
  const Tensor a = in[0]->reshaped(p.a);
  const Tensor b = in[1]->reshaped(p.b);
  const Dims sa = broadcast_strides(Dims(p.a.begin(), p.a.end() - 2), p.batch);
  const Dims sb = broadcast_strides(Dims(p.b.begin(), p.b.end() - 2), p.batch);
  const Dims place = strides_of(p.batch);
  const std::int64_t batches = element_count(p.batch);
  return in_numbers(node, [&]<typename T>(T) -> std::vector<Tensor> {
    std::vector<T> c(static_cast<std::size_t>(element_count(p.out)));
    for (std::int64_t q = 0; q < batches; ++q) {
      std::int64_t ia = 0;
      std::int64_t ib = 0;
      for (std::size_t d = 0; d < p.batch.size(); ++d) {
        const std::int64_t at = q / place[d] % p.batch[d];
        ia += at * sa[d];
        ib += at * sb[d];
      }
      multiply(a, ia * p.m * p.k, b, ib * p.k * p.n, p.n, 1, p, c.data() + q * p.m * p.n);
    }
    return {Tensor(a.type(), p.out, std::move(c))};
  });
}

std::vector<Dims> infer_gemm(const OpNode& node, const Args& in) {
  Dims a = arg(in, 0).dims();
  Dims b = arg(in, 1).dims();
  if (a.size() != 2 || b.size() != 2) {
    throw Error(ErrorKind::kBadInput, fmt::format("operands of shapes {} and {} are not matrices",
                                                  to_string(a), to_string(b)));
  }
  if (node.integer("transA", 0) != 0) std::swap(a[0], a[1]);
  if (node.integer("transB", 0) != 0) std::swap(b[0], b[1]);
  if (a[1] != b[0]) {
    throw Error(ErrorKind::kBadInput,
                fmt::format("product of shapes {} and {}", to_string(a), to_string(b)));
  }
  const Dims out{a[0], b[1]};
  element_count(out);
  if (const Tensor* c = optional_arg(in, 2)) broadcast_strides(c->dims(), out);
  return {out};
}

std::vector<Tensor> evaluate_gemm(const OpNode& node, const Args& in) {
  need_float(in);
  const Dims out = infer_gemm(node, in)[0];
  const Tensor a = node.integer("transA", 0) != 0 ? transposed(*in[0]) : *in[0];
  const bool trans_b = node.integer("transB", 0) != 0;
  Product p;
  p.m = out[0];
  p.k = a.dims()[1];
  p.n = out[1];
  const double alpha = node.real("alpha", 1);
  const double beta = node.real("beta", 1);
  return in_numbers(node, [&]<typename T>(T) -> std::vector<Tensor> {
    std::vector<T> y(static_cast<std::size_t>(element_count(out)));
    multiply(a, 0, *in[1], 0, trans_b ? 1 : p.n, trans_b ? p.k : 1, p, y.data());
    for (T& v : y) v *= alpha;
    if (const Tensor* c = optional_arg(in, 2)) {
      const Tensor full = c->strided(out, broadcast_strides(c->dims(), out), 0);
      for (std::size_t i = 0; i < y.size(); ++i)
        y[i] += T(beta) * full.get<T>(static_cast<std::int64_t>(i));
    }
    return {Tensor(a.type(), out, std::move(y))};
  });
}

std::vector<Dims> infer_conv(const OpNode& node, const Args& in) {
  const Dims& x = arg(in, 0).dims();
  const Dims& w = arg(in, 1).dims();
  if (w.size() != x.size() || w.size() < 3) {
    throw Error(ErrorKind::kBadInput, fmt::format("input of shape {} with kernel of shape {}",
                                                  to_string(x), to_string(w)));
  }
  const std::vector<std::int64_t> kernel(w.begin() + 2, w.end());
  if (node.has("kernel_shape") && node.integers("kernel_shape") != kernel) {
    throw Error(ErrorKind::kBadInput, "kernel_shape is not the kernel's shape");
  }
  const Window window = window_of(node, x, kernel);
  const std::int64_t groups = node.integer("group", 1);
  if (groups < 1 || w[0] < 1 || w[1] < 1 || w[1] > kMaxElements / groups || w[1] * groups != x[1] ||
      w[0] % groups != 0) {
    throw Error(ErrorKind::kBadInput,
                fmt::format("kernel of shape {} with {} groups does not fit {} channels",
                            to_string(w), groups, x[1]));
  }
  if (const Tensor* bias = optional_arg(in, 2); bias && bias->dims() != Dims{w[0]}) {
    throw Error(ErrorKind::kBadInput, "the bias is not one number an output channel");
  }
  const Dims out = window.out_dims(x[0], w[0]);
  element_count(out);
  return {out};
}

namespace {

/// One output channel of one batch element, a plane of w.positions() numbers. `weight` is read from
/// element `at` on, `from` is where the first of the `channels` input planes stands.
template <typename T>
void convolve(const Window& w, const Tensor& weight, std::int64_t at, std::int64_t channels,
              const T* from, T* plane) {
  for (std::int64_t c = 0; c < channels; ++c, from += w.in[0] * w.in[1]) {
    for (std::int64_t kh = 0; kh < w.kernel[0]; ++kh) {
      for (std::int64_t kw = 0; kw < w.kernel[1]; ++kw) {
        const T value = weight.get<T>(at++);
        for (std::int64_t oy = 0; oy < w.out[0]; ++oy) {
          const std::int64_t iy = w.source(0, oy, kh);
          if (!w.inside(0, iy)) continue;
          for (std::int64_t ox = 0; ox < w.out[1]; ++ox) {
            const std::int64_t ix = w.source(1, ox, kw);
            if (w.inside(1, ix)) plane[oy * w.out[1] + ox] += value * from[iy * w.in[1] + ix];
          }
        }
      }
    }
  }
}

}  // namespace

std::vector<Tensor> evaluate_conv(const OpNode& node, const Args& in) {
  need_float(in);
  const Dims out = infer_conv(node, in)[0];
  const Tensor& x = *in[0];
  const Tensor& weight = *in[1];
  const Dims& wd = weight.dims();
  const Window w = window_of(node, x.dims(), {wd.begin() + 2, wd.end()});
  const std::int64_t in_plane = w.in[0] * w.in[1];
  const std::int64_t out_channels = wd[0];
  const std::int64_t per_group = wd[1];
  const std::int64_t out_per_group = out_channels / (x.dims()[1] / per_group);
  const Tensor* bias = optional_arg(in, 2);
  return in_numbers(node, [&]<typename T>(T) -> std::vector<Tensor> {
    const std::vector<T> u = x.values<T>();
    std::vector<T> y(static_cast<std::size_t>(element_count(out)));
    for (std::int64_t batch = 0; batch < x.dims()[0]; ++batch) {
      for (std::int64_t o = 0; o < out_channels; ++o) {
        T* plane = y.data() + (batch * out_channels + o) * w.positions();
        if (bias) std::fill_n(plane, w.positions(), bias->get<T>(o));
        const std::int64_t first = batch * x.dims()[1] + o / out_per_group * per_group;
        convolve(w, weight, o * per_group * w.kernel[0] * w.kernel[1], per_group,
                 u.data() + first * in_plane, plane);
      }
    }
    return {Tensor(x.type(), out, std::move(y))};
  });
}

}  // namespace coronet::importer
