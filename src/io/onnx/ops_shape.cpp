// Operators that give the same elements another shape.
#include <fmt/format.h>

#include "base/error.h"
#include "io/onnx/ops.h"

namespace coronet::importer {
namespace {

/// `a` * `b`, both not negative. Throws if it exceeds kMaxElements.
std::int64_t product(std::int64_t a, std::int64_t b) { return element_count({a, b}); }

}  // namespace

std::vector<Dims> infer_identity(const OpNode& node, const Args& in) {
  const Tensor& x = arg(in, 0);
  if (const Tensor* training = optional_arg(in, 2)) {
    if (!training->known() || training->size() != 1 || training->integer(0) != 0) {
      throw Error(ErrorKind::kUnsupported, "training mode");
    }
  }
  if (node.outputs > 1) throw Error(ErrorKind::kUnsupported, "output mask");
  return {x.dims()};
}

std::vector<Tensor> evaluate_identity(const OpNode&, const Args& in) { return {arg(in, 0)}; }

std::vector<Dims> infer_reshape(const OpNode& node, const Args& in) {
  const Dims& from = arg(in, 0).dims();
  Dims to = constant_arg(in, 1, "the new shape").integers();
  const bool allow_zero = node.integer("allowzero", 0) != 0;
  std::int64_t known = 1;
  std::size_t free = to.size();
  for (std::size_t k = 0; k < to.size(); ++k) {
    if (to[k] == 0 && !allow_zero) {
      if (k >= from.size()) {
        throw Error(ErrorKind::kBadInput, "0 in the new shape stands for no dimension");
      }
      to[k] = from[k];
    }
    if (to[k] != -1) {
      known = product(known, to[k]);
    } else if (free < to.size()) {
      throw Error(ErrorKind::kBadInput, "-1 stands twice in the new shape");
    } else {
      free = k;
    }
  }
  const std::int64_t count = element_count(from);
  if (free < to.size()) {
    if (known == 0 || count % known != 0) {
      throw Error(ErrorKind::kBadInput, fmt::format("{} elements do not fit the new shape", count));
    }
    to[free] = count / known;
  }
  if (element_count(to) != count) {
    throw Error(ErrorKind::kBadInput,
                fmt::format("shape {} reshaped to {}", to_string(from), to_string(to)));
  }
  return {to};
}

std::vector<Tensor> evaluate_reshape(const OpNode& node, const Args& in) {
  return {arg(in, 0).reshaped(infer_reshape(node, in)[0])};
}

std::vector<Dims> infer_flatten(const OpNode& node, const Args& in) {
  const Dims& from = arg(in, 0).dims();
  const auto rank = static_cast<std::int64_t>(from.size());
  std::int64_t axis = node.integer("axis", 1);
  if (axis < -rank || axis > rank) {
    throw Error(ErrorKind::kBadInput,
                fmt::format("axis {} is outside a tensor of rank {}", axis, rank));
  }
  if (axis < 0) axis += rank;
  Dims to{1, 1};
  for (std::int64_t k = 0; k < rank; ++k) {
    std::int64_t& d = to[k < axis ? 0 : 1];
    d = product(d, from[static_cast<std::size_t>(k)]);
  }
  return {to};
}

std::vector<Tensor> evaluate_flatten(const OpNode& node, const Args& in) {
  return {arg(in, 0).reshaped(infer_flatten(node, in)[0])};
}

std::vector<Dims> infer_squeeze(const OpNode& node, const Args& in) {
  const Dims& from = arg(in, 0).dims();
  const auto axes = attribute_or_input(node, "axes", in, 1);
  std::vector<bool> drop(from.size());
  for (std::size_t k = 0; k < from.size(); ++k) drop[k] = !axes && from[k] == 1;
  for (const std::int64_t axis : axes.value_or(std::vector<std::int64_t>())) {
    const auto k =
        static_cast<std::size_t>(normal_axis(axis, static_cast<std::int64_t>(from.size())));
    if (from[k] != 1) {
      throw Error(ErrorKind::kBadInput,
                  fmt::format("axis {} of shape {} is not 1", axis, to_string(from)));
    }
    drop[k] = true;
  }
  Dims to;
  for (std::size_t k = 0; k < from.size(); ++k) {
    if (!drop[k]) to.push_back(from[k]);
  }
  return {to};
}

std::vector<Tensor> evaluate_squeeze(const OpNode& node, const Args& in) {
  return {arg(in, 0).reshaped(infer_squeeze(node, in)[0])};
}

std::vector<Dims> infer_unsqueeze(const OpNode& node, const Args& in) {
  const Dims& from = arg(in, 0).dims();
  const auto axes = attribute_or_input(node, "axes", in, 1);
  if (!axes) throw Error(ErrorKind::kBadInput, "no axes");
  const std::size_t rank = from.size() + axes->size();
  std::vector<bool> fresh(rank);
  for (const std::int64_t axis : *axes) {
    const auto k = static_cast<std::size_t>(normal_axis(axis, static_cast<std::int64_t>(rank)));
    if (fresh[k]) throw Error(ErrorKind::kBadInput, fmt::format("axis {} stands twice", axis));
    fresh[k] = true;
  }
  Dims to;
  std::size_t next = 0;
  for (std::size_t k = 0; k < rank; ++k) to.push_back(fresh[k] ? 1 : from[next++]);
  return {to};
}

std::vector<Tensor> evaluate_unsqueeze(const OpNode& node, const Args& in) {
  return {arg(in, 0).reshaped(infer_unsqueeze(node, in)[0])};
}

}  // namespace coronet::importer
