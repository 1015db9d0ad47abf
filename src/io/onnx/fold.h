// Exact simplifications of a lowered graph: reorderings and scales move into the operators beside
// them.
#pragma once

#include "graph/graph.h"

namespace coronet::importer {

/// Moves each Select that permutes a node nobody else reads towards the input, into a Dense, a
/// Sparse, another Select or the input's order.
void fold_selects(Graph& graph);

/// Folds each Scale into the Scale, Dense, Conv or Sparse before it, or into the Dense or Conv
/// behind it, where nobody else reads what lies between. A weight that stays as it is stays
/// float32; one that is multiplied becomes double.
void fold_scales(Graph& graph);

/// Drops nodes that do not lead to the output, the last node.
void drop_dead(Graph& graph);

/// Which nodes read each node's value; the output has one reader more (-1).
std::vector<std::vector<int>> readers_of(const Graph& graph);

/// Everything that reads `node` reads `instead`, an earlier node, from now on.
void bypass(Graph& graph, int node, int instead);

}  // namespace coronet::importer
