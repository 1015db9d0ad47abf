// One ONNX operator as the importer sees it: what a rule gets to know of a node, and what it must
// answer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "io/onnx/tensor.h"

namespace onnx {
class AttributeProto;
class NodeProto;
class TensorProto;
}  // namespace onnx

namespace coronet::importer {

/// A node's attributes and version. Accessors throw Error(kBadInput) where the attribute has
/// another type.
struct OpNode {
  const onnx::NodeProto* proto = nullptr;
  int opset = 0;
  std::size_t outputs = 1;
  bool enclose = false;  ///< evaluated in intervals instead of doubles

  [[nodiscard]] bool has(const char* name) const;
  [[nodiscard]] std::int64_t integer(const char* name, std::int64_t fallback) const;
  [[nodiscard]] double real(const char* name, double fallback) const;
  [[nodiscard]] std::string text(const char* name, const std::string& fallback) const;
  [[nodiscard]] std::vector<std::int64_t> integers(const char* name) const;
  [[nodiscard]] std::vector<double> reals(const char* name) const;
  [[nodiscard]] std::optional<Tensor> tensor(const char* name) const;
};

/// A node's inputs; null where one is omitted. Variables have a shape but are not known() unless
/// the graph is being evaluated.
using Args = std::vector<const Tensor*>;

/// Input k, or null if it is omitted.
inline const Tensor* optional_arg(const Args& in, std::size_t k) {
  return k < in.size() ? in[k] : nullptr;
}

/// Input k. Throws Error(kBadInput) if it is omitted.
const Tensor& arg(const Args& in, std::size_t k);

/// Input k, whose numbers are needed. Throws Error(kUnsupported) naming `what` if it depends on the
/// network's input.
const Tensor& constant_arg(const Args& in, std::size_t k, const char* what);

/// The integers of attribute `name`, or of constant input k where the attribute is absent; nullopt
/// if neither is there.
std::optional<std::vector<std::int64_t>> attribute_or_input(const OpNode& node, const char* name,
                                                            const Args& in, std::size_t k);

/// Output shapes. Throws Error(kBadInput) for what no ONNX model may have, Error(kUnsupported) for
/// what is not imported.
using Infer = std::vector<Dims>(const OpNode&, const Args&);

/// Output tensors from known inputs, every operation in double or Interval (int64 on integers).
using Evaluate = std::vector<Tensor>(const OpNode&, const Args&);

/// Calls run(T()), T being the type of number in which the node is evaluated.
template <typename Run>
std::vector<Tensor> in_numbers(const OpNode& node, Run run) {
  return node.enclose ? run(Interval()) : run(0.0);
}

/// Why a well-formed node with these inputs cannot be lowered; "" if it can.
using Check = std::string(const OpNode&, const Args&);

class Lowering;
struct LowerNode;
struct View;

/// Adds the node to the lowered graph and tells where its outputs are found there.
using Lower = std::vector<View>(Lowering&, const LowerNode&);

/// A row of THE table (rules.cpp).
struct Rule {
  const char* name;
  std::size_t least_inputs;  ///< none of these may be omitted
  std::size_t most_inputs;
  Infer* infer;
  Evaluate* evaluate;
  bool rounds;  ///< of doubles it may make what is no double (a Cast rounds too, by definition)
  Check* check;
  Lower* lower;
  const char* becomes;  ///< what `explain` says that it is lowered into
};

/// The rule of an operator of ONNX's default domain; null if it is not imported.
const Rule* find_rule(const std::string& op);

/// All rules, sorted by name.
const std::vector<Rule>& all_rules();

}  // namespace coronet::importer
