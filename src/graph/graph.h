// The lowered network: immutable after import, in topological order.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "ops/operators.h"

namespace coronet {

struct Node {
  Operator op;
  std::vector<int> inputs;  ///< indices of earlier nodes
  Shape shape;
  std::string name;  ///< the ONNX value or node that it comes from, for messages
};

/// nodes[0] is the Input; nodes.back() is the output. Flat orders inside are (y, x, channel), so
/// the two maps below lead back to the row-major order of the ONNX tensors, in which X_i and Y_j of
/// a property are numbered.
struct Graph {
  std::vector<Node> nodes;
  std::vector<int> input_order;  ///< [inputs]: input element i of the graph is X_{input_order[i]}
  std::vector<int>
      output_order;  ///< [outputs]: output element i of the graph is Y_{output_order[i]}

  /// What fingerprint() gives, where somebody has read all numbers and then given them up; else 0.
  std::uint64_t fingerprint = 0;

  [[nodiscard]] int inputs() const { return nodes.front().shape.size(); }
  [[nodiscard]] int outputs() const { return nodes.back().shape.size(); }
};

/// Calls fn(weight) for the weights of all dense nodes and convolutions.
template <class AnyGraph, class Fn>
void for_each_weight(AnyGraph& graph, const Fn& fn) {
  for (auto& node : graph.nodes) {
    std::visit(
        [&](auto& op) {
          if constexpr (requires { op.weight; }) fn(op.weight);
        },
        node.op);
  }
}

/// Are all weights here, in memory?
inline bool weights_here(const Graph& graph) {
  bool here = true;
  for_each_weight(graph, [&](const Weight& weight) { here = here && weight.here(); });
  return here;
}

}  // namespace coronet
