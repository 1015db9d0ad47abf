// The lowered network: immutable after import, in topological order.
#pragma once

#include <string>
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

  [[nodiscard]] int inputs() const { return nodes.front().shape.size(); }
  [[nodiscard]] int outputs() const { return nodes.back().shape.size(); }
};

}  // namespace coronet
