// The weights of a graph's nodes, by their sizes.
#pragma once

#include <cstdint>
#include <variant>

#include "graph/graph.h"

namespace coronet::plan {

/// Of a node that has one; else null.
inline const Weight* weight_of(const Node& node) {
  if (const Dense* dense = std::get_if<Dense>(&node.op)) return &dense->weight;
  if (const Conv* conv = std::get_if<Conv>(&node.op)) return &conv->weight;
  return nullptr;
}

/// All of it, wherever it is.
inline std::uint64_t bytes_of(const Weight& weight) {
  return weight.size() * (weight.single() ? sizeof(float) : sizeof(double));
}

}  // namespace coronet::plan
