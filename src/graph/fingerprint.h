// A number that tells networks apart.
#pragma once

#include <cstdint>

#include "graph/graph.h"

namespace coronet {

/// A number formed of all that a graph computes with: operators, edges, shapes, every weight and
/// both orders; not of names. Equal for equal graphs on every machine; for others equal by a
/// chance of 2^-64. Another lowering of the same model is another graph. Not safe against people
/// who look for such a pair.
std::uint64_t fingerprint(const Graph& graph);

}  // namespace coronet
