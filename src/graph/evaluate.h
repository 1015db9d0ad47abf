// Straightforward evaluation of the lowered graph in double: for cross-checks and counterexamples,
// not for speed.
#pragma once

#include <span>
#include <vector>

#include "graph/graph.h"

namespace coronet {

/// x and result in the ONNX tensors' row-major order.
std::vector<double> evaluate(const Graph& graph, std::span<const double> x);

/// The value of every node, in the graph's own orders; x in the ONNX tensor's row-major order.
std::vector<std::vector<double>> evaluate_nodes(const Graph& graph, std::span<const double> x);

}  // namespace coronet
