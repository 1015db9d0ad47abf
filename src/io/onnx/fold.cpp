#include "io/onnx/fold.h"

namespace coronet::importer {

std::vector<std::vector<int>> readers_of(const Graph& graph) {
  std::vector<std::vector<int>> readers(graph.nodes.size());
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    for (const int u : graph.nodes[n].inputs)
      readers[static_cast<std::size_t>(u)].push_back(static_cast<int>(n));
  }
  readers.back().push_back(-1);
  return readers;
}

void bypass(Graph& graph, int node, int instead) {
  for (std::size_t n = static_cast<std::size_t>(node) + 1; n < graph.nodes.size(); ++n) {
    for (int& u : graph.nodes[n].inputs) {
      if (u == node) u = instead;
    }
  }
  // The output stays the last node: what lay between leads nowhere any more.
  if (static_cast<std::size_t>(node) + 1 == graph.nodes.size()) {
    graph.nodes.resize(static_cast<std::size_t>(instead) + 1);
  }
}

void drop_dead(Graph& graph) {
  std::vector<bool> live(graph.nodes.size(), false);
  live.back() = true;
  live.front() = true;
  for (std::size_t n = graph.nodes.size(); n-- > 0;) {
    if (!live[n]) continue;
    for (const int u : graph.nodes[n].inputs) live[static_cast<std::size_t>(u)] = true;
  }
  std::vector<int> to(graph.nodes.size(), -1);
  std::size_t next = 0;
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    if (!live[n]) continue;
    to[n] = static_cast<int>(next);
    for (int& u : graph.nodes[n].inputs) u = to[static_cast<std::size_t>(u)];
    if (next != n) graph.nodes[next] = std::move(graph.nodes[n]);
    ++next;
  }
  graph.nodes.resize(next);
}

}  // namespace coronet::importer
