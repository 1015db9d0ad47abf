// Operators that make or describe constants.
#include <fmt/format.h>

#include "base/error.h"
#include "io/onnx/ops.h"
#include "io/onnx/proto.h"

namespace coronet::importer {
namespace {

Tensor constant_of(const OpNode& node) {
  if (const auto value = node.tensor("value")) return *value;
  if (node.has("value_float"))
    return Tensor(ElementType::kFloat32, {}, std::vector<double>{node.real("value_float", 0)});
  if (node.has("value_int"))
    return Tensor(Dims{}, std::vector<std::int64_t>{node.integer("value_int", 0)});
  if (node.has("value_floats")) {
    std::vector<double> values = node.reals("value_floats");
    const auto count = static_cast<std::int64_t>(values.size());
    return Tensor(ElementType::kFloat32, {count}, std::move(values));
  }
  if (node.has("value_ints")) {
    std::vector<std::int64_t> values = node.integers("value_ints");
    const auto count = static_cast<std::int64_t>(values.size());
    return Tensor(Dims{count}, std::move(values));
  }
  throw Error(ErrorKind::kUnsupported,
              "a constant that is neither tensor, number nor list of numbers");
}

ElementType target_of(const OpNode& node) {
  switch (const std::int64_t to = node.integer("to", 0)) {
    case onnx::TensorProto::FLOAT:
    case onnx::TensorProto::DOUBLE:
    case onnx::TensorProto::INT64:
    case onnx::TensorProto::INT32:
    case onnx::TensorProto::BOOL:
      return static_cast<ElementType>(to);
    default:
      throw Error(
          ErrorKind::kUnsupported,
          fmt::format("cast to {}", type_name(to < 0 || to > 99 ? 99 : static_cast<int>(to))));
  }
}

}  // namespace

std::vector<Dims> infer_constant(const OpNode& node, const Args&) {
  return {constant_of(node).dims()};
}

std::vector<Tensor> evaluate_constant(const OpNode& node, const Args&) {
  return {constant_of(node)};
}

std::vector<Dims> infer_constant_of_shape(const OpNode&, const Args& in) {
  Dims dims = constant_arg(in, 0, "the shape").integers();
  element_count(dims);
  return {dims};
}

std::vector<Tensor> evaluate_constant_of_shape(const OpNode& node, const Args& in) {
  const Dims dims = infer_constant_of_shape(node, in)[0];
  const Tensor value =
      node.tensor("value").value_or(Tensor(ElementType::kFloat32, {1}, std::vector<double>{0}));
  if (value.size() != 1) throw Error(ErrorKind::kBadInput, "the value is not one number");
  return {value.reshaped({}).strided(dims, Dims(dims.size(), 0), 0)};
}

std::vector<Dims> infer_shape(const OpNode& node, const Args& in) {
  return {Dims{evaluate_shape(node, in)[0].size()}};
}

std::vector<Tensor> evaluate_shape(const OpNode& node, const Args& in) {
  const Dims& dims = arg(in, 0).dims();
  const auto rank = static_cast<std::int64_t>(dims.size());
  const auto bounded = [rank](std::int64_t v) {
    if (v < 0) v += rank;
    return v < 0 ? 0 : v > rank ? rank : v;
  };
  const std::int64_t start = bounded(node.integer("start", 0));
  const std::int64_t end = bounded(node.integer("end", rank));
  Dims part;
  for (std::int64_t k = start; k < end; ++k) part.push_back(dims[static_cast<std::size_t>(k)]);
  const auto count = static_cast<std::int64_t>(part.size());
  return {Tensor(Dims{count}, std::move(part))};
}

std::vector<Dims> infer_cast(const OpNode& node, const Args& in) {
  const Tensor& x = arg(in, 0);
  const ElementType to = target_of(node);
  if (!x.known() && to != x.type()) {
    throw Error(ErrorKind::kUnsupported, fmt::format("cast of a variable from {} to {}",
                                                     type_name(static_cast<int>(x.type())),
                                                     type_name(static_cast<int>(to))));
  }
  return {x.dims()};
}

std::vector<Tensor> evaluate_cast(const OpNode& node, const Args& in) {
  const Tensor& x = arg(in, 0);
  const ElementType to = target_of(node);
  if (to == x.type()) return {x};
  if (x.enclosed() && (to == ElementType::kFloat32 || to == ElementType::kFloat64)) {
    std::vector<Interval> values = x.values<Interval>();
    if (to == ElementType::kFloat32) {
      // Results are rounded upwards here, and rounding to nearest never goes further.
      for (Interval& v : values) {
        v = {-static_cast<double>(static_cast<float>(-v.lower())),
             static_cast<double>(static_cast<float>(v.upper()))};
      }
    }
    return {Tensor(to, x.dims(), std::move(values))};
  }
  if (to == ElementType::kFloat32 || to == ElementType::kFloat64) {
    std::vector<double> values = x.values();
    if (to == ElementType::kFloat32) {
      for (double& v : values) v = static_cast<double>(static_cast<float>(v));
    }
    return {Tensor(to, x.dims(), std::move(values))};
  }
  std::vector<std::int64_t> values(static_cast<std::size_t>(x.size()));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto k = static_cast<std::int64_t>(i);
    values[i] = to == ElementType::kBool ? static_cast<std::int64_t>(x.at(k) != 0) : x.integer(k);
    if (to == ElementType::kInt32) values[i] = static_cast<std::int32_t>(values[i]);
  }
  return {Tensor(x.dims(), std::move(values), to)};
}

}  // namespace coronet::importer
