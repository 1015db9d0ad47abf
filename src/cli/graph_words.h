// The lowered graph in words.
#pragma once

#include <cstddef>
#include <string>

#include "graph/graph.h"

namespace coronet::cli {

/// "Dense", "Conv", ...
const char* operator_name(const Operator& op);

/// Numbers in weights, biases, scales and shifts.
std::size_t count_parameters(const Graph& graph);

/// "3 Dense, 2 Relu"
std::string operator_counts(const Graph& graph);

}  // namespace coronet::cli
