// Tighter bounds of a node's neurons by branch and bound for each of them: what others ask a MILP
// solver for. Bounds that are loose in an early layer loosen all later ones, so a few splits there
// save many domains of the property's own tree.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include "bound/optimise.h"

namespace coronet::search {

struct RefineSettings {
  int iterations = 10;  ///< alpha and beta iterations of a domain
  std::size_t memory_bytes = 0;
  std::function<bool()> stop;  ///< asked between iterations: end with what there is
};

/// Refines the bounds of node v's unstable neurons in root.bounds; both rows of a neuron rest when
/// it is stable, one row when its last splits gained little. Returns the number of domains bounded.
std::int64_t refine(bound::Context& context, bound::Root& root, int v,
                    const RefineSettings& settings);

}  // namespace coronet::search
