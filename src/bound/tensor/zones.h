// Pairs of affine operators that a tensor group gets through without a word, but for a sum at the
// end of each.
#pragma once

#include <vector>

#include "graph/graph.h"

namespace coronet::bound {

/// Two dense operators with something elementwise between them that nothing else reads. The first
/// one's weights are shared by rows, the second one's by columns, so that a rank's neurons between
/// them are its own business; what the second one makes is summed up, and every rank has it whole.
/// (Column and row parallel layers: Shoeybi et al., "Megatron-LM", arXiv 1909.08053; intervals
/// inside the zones of a verifier: Vorobyov and Ilyushin, arXiv 2606.09377.) Between the two, a
/// rank knows only its own neurons' rows of the first operator, and no other rank forms their
/// A-matrices: their bounds are intervals, and those of rows are looser for it.
struct Zone {
  int first = 0;  ///< node of the first operator
  int last = 0;   ///< and of the second
};

/// The zones of a graph, disjoint, those nearest to its input first: each begins as soon as the one
/// before it allows. Convolutions, and what several nodes read, are in none.
std::vector<Zone> find_zones(const Graph& graph);

/// The first `wanted` of them. Throws Error(kBadInput), saying how many there are, where there are
/// fewer.
std::vector<Zone> first_zones(const Graph& graph, int wanted);

}  // namespace coronet::bound
