// Does the lowered graph compute what the model, evaluated as written, computes?
#pragma once

#include <cstdint>

#include "graph/graph.h"
#include "io/onnx.h"
#include "spec/property.h"

namespace coronet {

/// Both are evaluated in double at `points` random points, of `box` if there is one and of [-1, 1]
/// otherwise. Throws Error(kInternal) naming output and values where they differ by more than
/// rounding can explain.
void crosscheck(const Model& model, const Graph& graph, int points, std::uint64_t seed,
                const Box* box);

}  // namespace coronet
