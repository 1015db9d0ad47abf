// Operators that reorder, repeat, select or join elements. They work on any storage, so that
// lowering can run them on element numbers.
#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "base/error.h"
#include "io/onnx/ops.h"

namespace coronet::importer {
namespace {

std::vector<std::int64_t> permutation_of(const OpNode& node, std::size_t rank) {
  std::vector<std::int64_t> perm = node.integers("perm");
  if (perm.empty()) {
    for (std::size_t k = rank; k-- > 0;) perm.push_back(static_cast<std::int64_t>(k));
  }
  std::vector<bool> seen(rank);
  bool good = perm.size() == rank;
  for (const std::int64_t p : perm) {
    good =
        good && p >= 0 && p < static_cast<std::int64_t>(rank) && !seen[static_cast<std::size_t>(p)];
    if (good) seen[static_cast<std::size_t>(p)] = true;
  }
  if (!good) throw Error(ErrorKind::kBadInput, "perm is not a permutation of the axes");
  return perm;
}

/// Per axis: where a Slice begins, its step, and how many it takes.
struct Slice {
  Dims begin, step, count;
};

Slice slice_of(const OpNode& node, const Args& in) {
  const Dims& dims = arg(in, 0).dims();
  const auto rank = static_cast<std::int64_t>(dims.size());
  const bool inputs = node.opset >= 10;
  std::vector<std::int64_t> starts, ends, axes, steps;
  if (inputs) {
    starts = constant_arg(in, 1, "starts").integers();
    ends = constant_arg(in, 2, "ends").integers();
    if (optional_arg(in, 3)) axes = constant_arg(in, 3, "axes").integers();
    if (optional_arg(in, 4)) steps = constant_arg(in, 4, "steps").integers();
  } else {
    starts = node.integers("starts");
    ends = node.integers("ends");
    axes = node.integers("axes");
  }
  if (axes.empty()) {
    for (std::size_t k = 0; k < starts.size(); ++k) axes.push_back(static_cast<std::int64_t>(k));
  }
  if (steps.empty()) steps.assign(starts.size(), 1);
  if (ends.size() != starts.size() || axes.size() != starts.size() ||
      steps.size() != starts.size()) {
    throw Error(ErrorKind::kBadInput, "starts, ends, axes and steps differ in length");
  }
  Slice s{Dims(dims.size(), 0), Dims(dims.size(), 1), dims};
  std::vector<bool> seen(dims.size());
  for (std::size_t k = 0; k < starts.size(); ++k) {
    const auto a = static_cast<std::size_t>(normal_axis(axes[k], rank));
    if (seen[a]) throw Error(ErrorKind::kBadInput, fmt::format("axis {} stands twice", axes[k]));
    seen[a] = true;
    const std::int64_t d = dims[a];
    const std::int64_t step = steps[k];
    if (step == 0 || step == std::numeric_limits<std::int64_t>::min()) {
      throw Error(ErrorKind::kBadInput, fmt::format("step {}", step));
    }
    const auto bounded = [d](std::int64_t v, std::int64_t low, std::int64_t high) {
      if (v < 0) v += d;
      return std::clamp(v, low, high);
    };
    const bool up = step > 0;
    if (!up && starts[k] < -d) {
      // The standard begins with element 0, NumPy (and ONNX's own evaluator) takes nothing.
      throw Error(
          ErrorKind::kUnsupported,
          fmt::format("a slice backwards from {}, before the first of {} elements", starts[k], d));
    }
    const std::int64_t begin = up ? bounded(starts[k], 0, d) : bounded(starts[k], -1, d - 1);
    const std::int64_t end = up ? bounded(ends[k], 0, d) : bounded(ends[k], -1, d - 1);
    const std::int64_t span = up ? end - begin : begin - end;
    const std::int64_t stride = up ? step : -step;
    s.begin[a] = begin;
    s.step[a] = step;
    s.count[a] = span <= 0 ? 0 : (span - 1) / stride + 1;
    if (s.count[a] <= 1) s.step[a] = 1;  // a huge step is never taken
    if (s.count[a] == 0) s.begin[a] = 0;
  }
  return s;
}

std::int64_t axis_of(const OpNode& node, std::int64_t fallback, const Dims& dims) {
  return normal_axis(node.integer("axis", fallback), static_cast<std::int64_t>(dims.size()));
}

/// How many elements of the axis each output of a Split has.
std::vector<std::int64_t> parts_of(const OpNode& node, const Args& in, std::int64_t size) {
  auto parts = attribute_or_input(node, "split", in, 1).value_or(std::vector<std::int64_t>());
  const auto count = static_cast<std::int64_t>(node.outputs);
  if (parts.empty()) {
    if (node.integer("num_outputs", count) != count) {
      throw Error(ErrorKind::kBadInput, "num_outputs is not the number of outputs");
    }
    const std::int64_t part = (size + count - 1) / count;
    if (node.opset < 18 && part * count != size) {
      throw Error(ErrorKind::kBadInput, fmt::format("{} elements in {} equal parts", size, count));
    }
    for (std::int64_t k = 0; k < count; ++k) {
      parts.push_back(std::clamp<std::int64_t>(size - k * part, 0, part));
    }
  }
  std::int64_t sum = 0;
  for (const std::int64_t part : parts) {
    if (part < 0 || part > size)
      throw Error(ErrorKind::kBadInput, fmt::format("part of size {}", part));
    sum += part;
    if (sum > size) break;
  }
  if (sum != size || static_cast<std::int64_t>(parts.size()) != count) {
    throw Error(ErrorKind::kBadInput, "the parts do not add up to the axis");
  }
  return parts;
}

struct Padding {
  Dims begin, out;
};

Padding padding_of(const OpNode& node, const Args& in) {
  const Dims& dims = arg(in, 0).dims();
  if (const std::string mode = node.text("mode", "constant"); mode != "constant") {
    throw Error(ErrorKind::kUnsupported, fmt::format("mode '{}'", mode));
  }
  const std::size_t rank = dims.size();
  const std::vector<std::int64_t> pads =
      node.opset >= 11 ? constant_arg(in, 1, "pads").integers() : node.integers("pads");
  std::vector<std::int64_t> axes;
  if (optional_arg(in, 3)) {
    axes = constant_arg(in, 3, "axes").integers();
  } else {
    for (std::size_t k = 0; k < rank; ++k) axes.push_back(static_cast<std::int64_t>(k));
  }
  if (pads.size() != 2 * axes.size()) {
    throw Error(ErrorKind::kBadInput, "pads does not have two entries an axis");
  }
  Padding p{Dims(rank, 0), dims};
  std::vector<bool> seen(rank);
  for (std::size_t k = 0; k < axes.size(); ++k) {
    const auto a = static_cast<std::size_t>(normal_axis(axes[k], static_cast<std::int64_t>(rank)));
    if (seen[a]) throw Error(ErrorKind::kBadInput, fmt::format("axis {} stands twice", axes[k]));
    seen[a] = true;
    const std::int64_t before = pads[k];
    const std::int64_t after = pads[axes.size() + k];
    if (before < 0 || after < 0) throw Error(ErrorKind::kUnsupported, "negative pads");
    if (before > kMaxElements || after > kMaxElements)
      throw Error(ErrorKind::kBadInput, "huge pads");
    p.begin[a] = before;
    p.out[a] = dims[a] + before + after;
  }
  element_count(p.out);
  return p;
}

}  // namespace

std::vector<Dims> infer_transpose(const OpNode& node, const Args& in) {
  const Dims& dims = arg(in, 0).dims();
  Dims out;
  for (const std::int64_t p : permutation_of(node, dims.size())) {
    out.push_back(dims[static_cast<std::size_t>(p)]);
  }
  return {out};
}

std::vector<Tensor> evaluate_transpose(const OpNode& node, const Args& in) {
  const Dims strides = strides_of(arg(in, 0).dims());
  Dims moved;
  for (const std::int64_t p : permutation_of(node, strides.size())) {
    moved.push_back(strides[static_cast<std::size_t>(p)]);
  }
  return {in[0]->strided(infer_transpose(node, in)[0], moved, 0)};
}

std::vector<Dims> infer_concat(const OpNode& node, const Args& in) {
  Dims out = arg(in, 0).dims();
  const auto axis = static_cast<std::size_t>(axis_of(node, 1, out));
  for (std::size_t k = 1; k < in.size(); ++k) {
    Dims dims = arg(in, k).dims();
    if (dims.size() == out.size()) std::swap(dims[axis], out[axis]);  // compare all but the axis
    if (dims.size() != out.size() ||
        !std::equal(dims.begin(), dims.end(), out.begin(), [&](const auto& a, const auto& b) {
          return static_cast<std::size_t>(&a - dims.data()) == axis || a == b;
        })) {
      throw Error(ErrorKind::kBadInput,
                  fmt::format("shape {} joined to {}", to_string(arg(in, k).dims()),
                              to_string(arg(in, 0).dims())));
    }
    out[axis] += dims[axis];
    element_count(out);
  }
  return {out};
}

std::vector<Tensor> evaluate_concat(const OpNode& node, const Args& in) {
  const Dims out = infer_concat(node, in)[0];
  const auto axis = static_cast<std::size_t>(axis_of(node, 1, out));
  const bool same =
      std::all_of(in.begin(), in.end(), [&](const Tensor* t) { return t->same_storage(*in[0]); });
  const Dims strides = strides_of(out);
  const auto widened = [&](const Tensor& t) {
    if (node.enclose) return Tensor(t.type(), t.dims(), t.values<Interval>());
    return Tensor(t.type(), t.dims(), t.values());
  };
  Tensor::Writer writer(same ? *in[0] : widened(*in[0]), out, 0);
  std::int64_t offset = 0;
  for (const Tensor* t : in) {
    writer.place(same ? *t : widened(*t), strides, offset);
    offset += t->dims()[axis] * strides[axis];
  }
  return {writer.take()};
}

std::vector<Dims> infer_slice(const OpNode& node, const Args& in) {
  return {slice_of(node, in).count};
}

std::vector<Tensor> evaluate_slice(const OpNode& node, const Args& in) {
  const Slice s = slice_of(node, in);
  Dims strides = strides_of(in[0]->dims());
  std::int64_t offset = 0;
  for (std::size_t k = 0; k < strides.size(); ++k) {
    offset += s.begin[k] * strides[k];
    strides[k] *= s.step[k];
  }
  return {in[0]->strided(s.count, strides, offset)};
}

std::vector<Dims> infer_gather(const OpNode& node, const Args& in) {
  const Dims& dims = arg(in, 0).dims();
  const Tensor& index = constant_arg(in, 1, "the index");
  const auto axis = axis_of(node, 0, dims);
  Dims out(dims.begin(), dims.begin() + axis);
  out.insert(out.end(), index.dims().begin(), index.dims().end());
  out.insert(out.end(), dims.begin() + axis + 1, dims.end());
  element_count(out);
  for (std::int64_t i = 0; i < index.size(); ++i) {
    normal_axis(index.integer(i), dims[static_cast<std::size_t>(axis)]);
  }
  return {out};
}

std::vector<Tensor> evaluate_gather(const OpNode& node, const Args& in) {
  const Dims out = infer_gather(node, in)[0];
  const Tensor& x = *in[0];
  const auto axis = static_cast<std::size_t>(axis_of(node, 0, x.dims()));
  const Dims strides = strides_of(x.dims());
  // As [outer, index, inner]: one strided copy for each index.
  const std::int64_t inner = strides[axis];
  const std::int64_t along = in[1]->size();
  const std::int64_t outer =
      element_count(Dims(x.dims().begin(), x.dims().begin() + static_cast<std::ptrdiff_t>(axis)));
  Tensor::Writer writer(x, {outer, along, inner}, 0);
  for (std::int64_t i = 0; i < along; ++i) {
    const std::int64_t at = normal_axis(in[1]->integer(i), x.dims()[axis]);
    writer.place(x.strided({outer, 1, inner}, {x.dims()[axis] * inner, 0, 1}, at * inner),
                 {along * inner, 0, 1}, i * inner);
  }
  return {writer.take().reshaped(out)};
}

std::vector<Dims> infer_split(const OpNode& node, const Args& in) {
  const Dims& dims = arg(in, 0).dims();
  const auto axis = static_cast<std::size_t>(axis_of(node, 0, dims));
  std::vector<Dims> out;
  for (const std::int64_t part : parts_of(node, in, dims[axis])) {
    out.push_back(dims);
    out.back()[axis] = part;
  }
  return out;
}

std::vector<Tensor> evaluate_split(const OpNode& node, const Args& in) {
  const Dims strides = strides_of(arg(in, 0).dims());
  const auto axis = static_cast<std::size_t>(axis_of(node, 0, strides));
  std::vector<Tensor> out;
  std::int64_t offset = 0;
  for (const Dims& dims : infer_split(node, in)) {
    out.push_back(in[0]->strided(dims, strides, offset));
    offset += dims[axis] * strides[axis];
  }
  return out;
}

std::vector<Dims> infer_expand(const OpNode&, const Args& in) {
  return {broadcast(arg(in, 0).dims(), constant_arg(in, 1, "the shape").integers())};
}

std::vector<Tensor> evaluate_expand(const OpNode& node, const Args& in) {
  const Dims out = infer_expand(node, in)[0];
  return {in[0]->strided(out, broadcast_strides(in[0]->dims(), out), 0)};
}

std::vector<Dims> infer_pad(const OpNode& node, const Args& in) {
  pad_fill(node, in);
  return {padding_of(node, in).out};
}

double pad_fill(const OpNode& node, const Args& in) {
  if (node.opset < 11) return node.real("value", 0);
  if (!optional_arg(in, 2)) return 0;
  const Tensor& fill = constant_arg(in, 2, "the value");
  if (fill.size() != 1) throw Error(ErrorKind::kBadInput, "the value is not one number");
  return fill.at(0);
}

Tensor pad(const OpNode& node, const Args& in, const Tensor& x, double fill) {
  const Padding p = padding_of(node, in);
  const Dims strides = strides_of(p.out);
  std::int64_t offset = 0;
  for (std::size_t k = 0; k < strides.size(); ++k) offset += p.begin[k] * strides[k];
  Tensor::Writer writer(x, p.out, fill);
  writer.place(x, strides, offset);
  return writer.take();
}

std::vector<Tensor> evaluate_pad(const OpNode& node, const Args& in) {
  const Tensor& x = arg(in, 0);
  // float32 may not hold the value exactly
  const Tensor wide = x.single() ? Tensor(x.type(), x.dims(), x.values()) : x;
  return {pad(node, in, wide, pad_fill(node, in))};
}

}  // namespace coronet::importer
