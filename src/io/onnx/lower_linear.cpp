// Lowering of matrix products and convolutions.
#include <algorithm>

#include "io/onnx/exactness.h"
#include "io/onnx/lower_ops.h"
#include "io/onnx/ops.h"
#include "io/onnx/tensor_rows.h"
#include "io/onnx/window.h"

namespace coronet::importer {
namespace {

/// y[t, n] = sum over k of x[t, k] w(k, n); x read in row-major order, y shaped as `out`.
View times(Lowering& lowering, const View& x, const Matrix& w, Dims out, const std::string& name) {
  const std::int64_t rows = x.size() / w.k;
  const auto in = static_cast<int>(w.k);
  const auto width = static_cast<int>(w.n);
  std::vector<double> bias(static_cast<std::size_t>(w.n), 0);
  if (rows == 1) {
    // Whatever order x is stored in, the weight's columns follow it.
    const int node =
        x.whole ? x.nodes[0] : lowering.in_order(x, plain_order(x.size()), Shape{1, 1, in}, name);
    Dense dense{in, width, weight_of(w, x.whole ? x.index.get() : nullptr), std::move(bias)};
    return lowering.plain(lowering.add(std::move(dense), {node}, Shape{1, 1, width}, name),
                          std::move(out));
  }
  Conv conv;
  conv.in = Shape{static_cast<int>(rows), 1, in};
  conv.out = Shape{static_cast<int>(rows), 1, width};
  conv.weight = weight_of(w, nullptr);
  conv.bias = std::move(bias);
  const int node = lowering.in_order(x, plain_order(x.size()), conv.in, name);
  const Shape shape = conv.out;
  return lowering.plain(lowering.add(std::move(conv), {node}, shape, name), std::move(out));
}

/// [q, k, n] -> [q, n, k]
View turned(const Lowering& lowering, const View& x, std::int64_t q, std::int64_t k,
            std::int64_t n) {
  return lowering.strided(x, {q, n, k}, {k * n, 1, n});
}

View reshaped(View view, const Dims& dims) {
  view.dims = dims;
  return view;
}

/// Different weights for different batches: no shared kernel, so every product is written out.
View batched(Lowering& lowering, const LowerNode& node, const Product& p) {
  const bool left = node.views[0] != nullptr;
  const Tensor& constant = *node.in[left ? 1 : 0];
  const Dims sa = broadcast_strides(Dims(p.a.begin(), p.a.end() - 2), p.batch);
  const Dims sb = broadcast_strides(Dims(p.b.begin(), p.b.end() - 2), p.batch);
  const Dims place = strides_of(p.batch);
  const std::int64_t rows = element_count(p.out);
  const auto entries = [&](std::int64_t r, std::vector<Lowering::Entry>& row) {
    const std::int64_t q = r / (p.m * p.n);
    const std::int64_t m = r / p.n % p.m;
    const std::int64_t n = r % p.n;
    std::int64_t qa = 0;
    std::int64_t qb = 0;
    for (std::size_t d = 0; d < p.batch.size(); ++d) {
      qa += q / place[d] % p.batch[d] * sa[d];
      qb += q / place[d] % p.batch[d] * sb[d];
    }
    for (std::int64_t k = 0; k < p.k; ++k) {
      const std::int64_t a = (qa * p.m + m) * p.k + k;
      const std::int64_t b = (qb * p.k + k) * p.n + n;
      row.push_back(left ? Lowering::Entry{a, constant.at(b)} : Lowering::Entry{b, constant.at(a)});
    }
  };
  const int sparse = lowering.sparse(*node.views[left ? 0 : 1], rows,
                                     Shape{1, 1, static_cast<int>(rows)}, entries, 0, *node.name);
  return lowering.plain(sparse, p.out);
}

std::vector<double> broadcast_values(const Tensor& t, const Dims& to, double factor,
                                     Exactness& exact) {
  std::vector<double> values =
      t.size() == 1 ? t.values() : t.strided(to, broadcast_strides(t.dims(), to), 0).values();
  for (double& v : values) v = exact.times(v, factor);
  return values;
}

}  // namespace

std::vector<View> lower_matmul(Lowering& lowering, const LowerNode& node) {
  const Product p = product_of(node.in[0]->dims(), node.in[1]->dims());
  if (const View* x = node.views[0]) {
    if (node.in[1]->size() != p.k * p.n) return {batched(lowering, node, p)};
    return {times(lowering, *x, {node.in[1], p.k, p.n, p.n, 1}, p.out, *node.name)};
  }
  if (node.in[0]->size() != p.m * p.k) return {batched(lowering, node, p)};
  const View& x = *node.views[1];
  const std::int64_t q = x.size() / (p.k * p.n);
  const View rows = turned(lowering, x, q, p.k, p.n);
  const View y = times(lowering, rows, {node.in[0], p.k, p.m, 1, p.k}, {q, p.n, p.m}, *node.name);
  return {reshaped(turned(lowering, y, q, p.n, p.m), p.out)};
}

std::vector<View> lower_gemm(Lowering& lowering, const LowerNode& node) {
  const bool trans_a = node.op->integer("transA", 0) != 0;
  const bool trans_b = node.op->integer("transB", 0) != 0;
  const Dims& out = node.out[0];
  const std::int64_t m = out[0];
  const std::int64_t n = out[1];
  const std::int64_t k = node.in[0]->dims()[trans_a ? 0 : 1];
  View y;
  if (const View* x = node.views[0]) {
    const Matrix w{node.in[1], k, n, trans_b ? 1 : n, trans_b ? k : 1};
    y = times(lowering, trans_a ? turned(lowering, *x, 1, k, m) : *x, w, out, *node.name);
  } else {
    const View& b = *node.views[1];
    const Matrix w{node.in[0], k, m, trans_a ? m : 1, trans_a ? 1 : k};
    y = times(lowering, trans_b ? b : turned(lowering, b, 1, k, n), w, {n, m}, *node.name);
    y = reshaped(turned(lowering, y, 1, n, m), out);
  }
  y = lowering.affine(y, {node.op->real("alpha", 1)}, {0}, *node.name);
  const Tensor* c = optional_arg(node.in, 2);
  const double beta = node.op->real("beta", 1);
  if (!c || beta == 0) return {y};
  if (!node.views[2]) {
    Exactness exact;
    std::vector<double> shift = broadcast_values(*c, out, beta, exact);
    const Precision precision{exact.rounded() ? 1 : 0, {}};
    return {lowering.affine(y, {1}, std::move(shift), *node.name, precision)};
  }
  const View full = lowering.strided(*node.views[2], out, broadcast_strides(c->dims(), out));
  return {lowering.sum(y, 1, full, beta, *node.name)};
}

std::vector<View> lower_conv(Lowering& lowering, const LowerNode& node) {
  const Dims& dims = node.in[0]->dims();
  const Tensor& weight = *node.in[1];
  const Dims& wd = weight.dims();
  const Window w = window_of(*node.op, dims, {wd.begin() + 2, wd.end()});
  Conv conv;
  conv.in = image_shape(dims);
  conv.out = image_shape(node.out[0]);
  conv.kernel_h = static_cast<int>(w.kernel[0]);
  conv.kernel_w = static_cast<int>(w.kernel[1]);
  conv.stride_h = static_cast<int>(w.stride[0]);
  conv.stride_w = static_cast<int>(w.stride[1]);
  conv.dilation_h = static_cast<int>(w.dilation[0]);
  conv.dilation_w = static_cast<int>(w.dilation[1]);
  conv.pad_top = static_cast<int>(w.pad_begin[0]);
  conv.pad_left = static_cast<int>(w.pad_begin[1]);
  conv.groups = static_cast<int>(node.op->integer("group", 1));
  // [out][in][h][w] -> [out][h][w][in]
  const std::int64_t taps = w.kernel[0] * w.kernel[1];
  const std::int64_t width = wd[1] * taps;
  std::vector<std::int32_t> column(static_cast<std::size_t>(width));
  for (std::int64_t k = 0; k < width; ++k) {
    column[static_cast<std::size_t>(k)] = static_cast<std::int32_t>(k % taps * wd[1] + k / taps);
  }
  conv.weight = weight_of({&weight, width, wd[0], 1, width}, &column);
  const Tensor* bias = optional_arg(node.in, 2);
  conv.bias = bias ? bias->values() : std::vector<double>(static_cast<std::size_t>(wd[0]), 0);
  const int from = lowering.in_order(*node.views[0], image_order(dims), conv.in, *node.name);
  const Shape shape = conv.out;
  return {lowering.image(lowering.add(std::move(conv), {from}, shape, *node.name), node.out[0])};
}

}  // namespace coronet::importer
