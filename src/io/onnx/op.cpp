#include "io/onnx/op.h"

#include <fmt/format.h>

#include "base/error.h"
#include "io/onnx/proto.h"

namespace coronet::importer {
namespace {

const onnx::AttributeProto* find(const OpNode& node, const char* name,
                                 onnx::AttributeProto::AttributeType type) {
  for (const onnx::AttributeProto& attribute : node.proto->attribute()) {
    if (attribute.name() != name) continue;
    if (!attribute.ref_attr_name().empty() || (attribute.has_type() && attribute.type() != type)) {
      throw Error(ErrorKind::kBadInput, fmt::format("attribute '{}' has the wrong type", name));
    }
    return &attribute;
  }
  return nullptr;
}

}  // namespace

bool OpNode::has(const char* name) const {
  for (const onnx::AttributeProto& attribute : proto->attribute()) {
    if (attribute.name() == name) return true;
  }
  return false;
}

std::int64_t OpNode::integer(const char* name, std::int64_t fallback) const {
  const auto* attribute = find(*this, name, onnx::AttributeProto::INT);
  return attribute ? attribute->i() : fallback;
}

double OpNode::real(const char* name, double fallback) const {
  const auto* attribute = find(*this, name, onnx::AttributeProto::FLOAT);
  return attribute ? attribute->f() : fallback;
}

std::string OpNode::text(const char* name, const std::string& fallback) const {
  const auto* attribute = find(*this, name, onnx::AttributeProto::STRING);
  return attribute ? attribute->s() : fallback;
}

std::vector<std::int64_t> OpNode::integers(const char* name) const {
  const auto* attribute = find(*this, name, onnx::AttributeProto::INTS);
  if (!attribute) return {};
  return {attribute->ints().begin(), attribute->ints().end()};
}

std::vector<double> OpNode::reals(const char* name) const {
  const auto* attribute = find(*this, name, onnx::AttributeProto::FLOATS);
  if (!attribute) return {};
  return {attribute->floats().begin(), attribute->floats().end()};
}

std::optional<Tensor> OpNode::tensor(const char* name) const {
  const auto* attribute = find(*this, name, onnx::AttributeProto::TENSOR);
  if (!attribute) return std::nullopt;
  return tensor_of(attribute->t());
}

const Tensor& arg(const Args& in, std::size_t k) {
  if (k >= in.size() || !in[k]) {
    throw Error(ErrorKind::kBadInput, fmt::format("input {} is missing", k));
  }
  return *in[k];
}

const Tensor& constant_arg(const Args& in, std::size_t k, const char* what) {
  const Tensor& tensor = arg(in, k);
  if (!tensor.known()) {
    throw Error(ErrorKind::kUnsupported, fmt::format("{} must be a constant", what));
  }
  return tensor;
}

std::optional<std::vector<std::int64_t>> attribute_or_input(const OpNode& node, const char* name,
                                                            const Args& in, std::size_t k) {
  if (node.has(name)) return node.integers(name);
  if (!optional_arg(in, k)) return std::nullopt;
  return constant_arg(in, k, name).integers();
}

}  // namespace coronet::importer
