// Tighter bounds of a node's neurons by branch and bound for each of them: what others ask a MILP
// solver for. Bounds that are loose in an early layer loosen all later ones, so a few splits there
// save many domains of the property's own tree.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "bound/optimise.h"

namespace coronet::bound {
class Ranks;
}

namespace coronet::search {

struct RefineSettings {
  int iterations = 10;  ///< alpha and beta iterations of a domain
  std::size_t memory_bytes = 0;
  std::function<bool()> stop;     ///< asked between iterations: end with what there is
  bound::Ranks* ranks = nullptr;  ///< to share the neurons with; null: this one alone
  double seconds = HUGE_VAL;      ///< that the other ranks may take
};

/// What is known of some neurons after a refinement.
struct Refined {
  /// [2 * neurons] lower bounds of each neuron and of its negative; -inf: nothing is known
  std::vector<double> bound;
  std::int64_t domains = 0;  ///< bounded
};

/// Branch and bound of these neurons of node v, each by itself, by this rank.
Refined refine_neurons(bound::Context& context, const bound::Root& root, int v,
                       const std::vector<int>& neurons, const RefineSettings& settings);

/// Refines the bounds of node v's unstable neurons in root.bounds; both rows of a neuron rest when
/// it is stable, one row when its last splits gained little. Returns the number of domains bounded.
std::int64_t refine(bound::Context& context, bound::Root& root, int v,
                    const RefineSettings& settings);

}  // namespace coronet::search
