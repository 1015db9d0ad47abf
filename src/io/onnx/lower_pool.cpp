// Lowering of pools and reductions.
#include "io/onnx/lower_ops.h"
#include "io/onnx/ops.h"
#include "io/onnx/window.h"

namespace coronet::importer {
namespace {

/// max(a, b) = b + relu(a - b), over nodes of one shape.
int larger(Lowering& lowering, int a, int b, Shape shape, const std::string& name) {
  if (a == b) return a;
  const int over = lowering.add(Sum{{1, -1}}, {a, b}, shape, name);
  const int relu = lowering.add(Relu{}, {over}, shape, name);
  return lowering.add(Sum{{1, 1}}, {b, relu}, shape, name);
}

/// The row-major input element of a pool's tap, or -1 in the padding; `place` counts outputs
/// channels-last.
std::int32_t tap(const Window& w, std::int64_t place, std::int64_t kh, std::int64_t kw) {
  const std::int64_t c = place % w.channels;
  const std::int64_t iy = w.source(0, place / w.channels / w.out[1], kh);
  const std::int64_t ix = w.source(1, place / w.channels % w.out[1], kw);
  if (!w.inside(0, iy) || !w.inside(1, ix)) return -1;
  return static_cast<std::int32_t>((c * w.in[0] + iy) * w.in[1] + ix);
}

View mean_over_axes(Lowering& lowering, const LowerNode& node, const Reduction& r, double factor) {
  const Dims& dims = node.in[0]->dims();
  const Dims strides = strides_of(dims);
  const Dims kept = strides_of(r.kept);
  const auto entries = [&](std::int64_t row, std::vector<Lowering::Entry>& out) {
    std::int64_t base = 0;
    for (std::size_t k = 0; k < dims.size(); ++k) base += row / kept[k] % r.kept[k] * strides[k];
    for (std::int64_t j = 0; j < r.count; ++j) {
      std::int64_t element = base;
      std::int64_t rest = j;
      for (std::size_t k = dims.size(); k-- > 0;) {
        if (!r.reduced[k]) continue;
        element += rest % dims[k] * strides[k];
        rest /= dims[k];
      }
      out.push_back({element, factor});
    }
  };
  const std::int64_t rows = element_count(r.out);
  const int sparse = lowering.sparse(*node.views[0], rows, Shape{1, 1, static_cast<int>(rows)},
                                     entries, 1, *node.name);
  return lowering.plain(sparse, r.out);
}

}  // namespace

std::vector<View> lower_max_pool(Lowering& lowering, const LowerNode& node) {
  const Window w = pool_window_of(*node.op, node.in[0]->dims());
  const Shape shape = image_shape(node.out[0]);
  const std::int64_t size = element_count(node.out[0]);
  // A tap in the padding is replaced by one of the same window that is not: the maximum stays the
  // same.
  std::vector<std::int32_t> inside(static_cast<std::size_t>(size), -1);
  const auto visit = [&](auto use) {
    for (std::int64_t kh = 0; kh < w.kernel[0]; ++kh) {
      for (std::int64_t kw = 0; kw < w.kernel[1]; ++kw) use(kh, kw);
    }
  };
  visit([&](std::int64_t kh, std::int64_t kw) {
    for (std::int64_t p = 0; p < size; ++p) {
      std::int32_t& first = inside[static_cast<std::size_t>(p)];
      if (first < 0) first = tap(w, p, kh, kw);
    }
  });
  std::vector<int> taps;
  visit([&](std::int64_t kh, std::int64_t kw) {
    std::vector<std::int32_t> order = inside;
    for (std::int64_t p = 0; p < size; ++p) {
      if (const std::int32_t at = tap(w, p, kh, kw); at >= 0)
        order[static_cast<std::size_t>(p)] = at;
    }
    taps.push_back(lowering.in_order(*node.views[0], order, shape, *node.name));
  });
  while (taps.size() > 1) {
    std::vector<int> next;
    for (std::size_t k = 0; k + 1 < taps.size(); k += 2) {
      next.push_back(larger(lowering, taps[k], taps[k + 1], shape, *node.name));
    }
    if (taps.size() % 2 == 1) next.push_back(taps.back());
    taps = std::move(next);
  }
  return {lowering.image(taps[0], node.out[0])};
}

std::vector<View> lower_average_pool(Lowering& lowering, const LowerNode& node) {
  const Window w = pool_window_of(*node.op, node.in[0]->dims());
  const bool count_padding = node.op->integer("count_include_pad", 0) != 0;
  const auto entries = [&](std::int64_t row, std::vector<Lowering::Entry>& out) {
    for (std::int64_t kh = 0; kh < w.kernel[0]; ++kh) {
      for (std::int64_t kw = 0; kw < w.kernel[1]; ++kw) {
        if (const std::int32_t at = tap(w, row, kh, kw); at >= 0) out.push_back({at, 1});
      }
    }
    const auto count = static_cast<double>(count_padding ? w.kernel[0] * w.kernel[1]
                                                         : static_cast<std::int64_t>(out.size()));
    for (Lowering::Entry& e : out) e.value = 1 / count;
  };
  const int sparse = lowering.sparse(*node.views[0], element_count(node.out[0]),
                                     image_shape(node.out[0]), entries, 1, *node.name);
  return {lowering.image(sparse, node.out[0])};
}

std::vector<View> lower_global_average_pool(Lowering& lowering, const LowerNode& node) {
  Reduction r;
  r.kept = r.out = node.out[0];
  r.reduced.assign(r.kept.size(), true);
  r.reduced[0] = r.reduced[1] = false;
  r.count = element_count(node.in[0]->dims()) / element_count(r.out);
  return {mean_over_axes(lowering, node, r, 1 / static_cast<double>(r.count))};
}

std::vector<View> lower_reduce_sum(Lowering& lowering, const LowerNode& node) {
  return {mean_over_axes(lowering, node, reduction_of(*node.op, node.in), 1)};
}

std::vector<View> lower_reduce_mean(Lowering& lowering, const LowerNode& node) {
  const Reduction r = reduction_of(*node.op, node.in);
  return {mean_over_axes(lowering, node, r, 1 / static_cast<double>(r.count))};
}

}  // namespace coronet::importer
