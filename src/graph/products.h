// How much one evaluation of a graph multiplies: what its size is judged by.
#pragma once

#include <cstddef>
#include <variant>

#include "graph/graph.h"

namespace coronet {

/// The weights of dense nodes, and those of convolutions once for each of their pixels; of nodes up
/// to `last`.
inline std::size_t products(const Graph& graph, int last) {
  std::size_t count = 0;
  for (int v = 0; v <= last; ++v) {
    const Node& n = graph.nodes[v];
    if (const Dense* d = std::get_if<Dense>(&n.op)) count += d->weight.size();
    if (const Conv* c = std::get_if<Conv>(&n.op)) {
      count += c->weight.size() * static_cast<std::size_t>(c->out.height) * c->out.width;
    }
  }
  return count;
}
inline std::size_t products(const Graph& graph) {
  return products(graph, static_cast<int>(graph.nodes.size()) - 1);
}

}  // namespace coronet
