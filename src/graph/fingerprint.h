// A number that tells networks apart.
#pragma once

#include <cstdint>

#include "graph/graph.h"

namespace coronet {

/// A hash of all that a graph computes with: operators with every number's bits, edges, shapes and
/// orders; names do not count. Another lowering of the same model is another graph.
std::uint64_t fingerprint(const Graph& graph);

}  // namespace coronet
