// Tighter bounds of single neurons, by all ranks.
#pragma once

#include <vector>

#include "bound/context.h"
#include "bound/optimise.h"
#include "comm/communicator.h"
#include "comm/packet.h"
#include "search/refine.h"

namespace coronet::search {

/// refine_neurons() of every neuron, by the rank whose turn it is; as the leader. The context's
/// graph came from settings.ranks.
Refined share_refinement(bound::Context& context, const bound::Root& root, int v,
                         const std::vector<int>& neurons, const RefineSettings& settings);

/// As another rank: its part, of what follows the seconds left in the order.
void take_part_in_refinement(comm::Communicator& group, bound::Context& context,
                             comm::Reader& order);

}  // namespace coronet::search
