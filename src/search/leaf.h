// A domain with every unstable neuron split: the network is affine there, and a linear programme
// decides.
#pragma once

#include "bound/optimise.h"
#include "search/domain.h"
#include "search/judge.h"
#include "search/spec.h"

namespace coronet::search {

enum class LeafOutcome {
  kRefuted,   ///< by a rigorous pull with the programme's own multipliers, not by the solver's word
  kViolated,  ///< the judge took the programme's point
  kUndecided,  ///< the optimum lies within rounding of zero, or the time ran out
};

LeafOutcome decide_leaf(const bound::Context& context, const bound::Root& root,
                        const ClauseRows& clause, const Domain& domain, Judge& judge,
                        bound::Workspace<double>& space);

}  // namespace coronet::search
