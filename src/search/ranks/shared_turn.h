// Turns of a search shared by all ranks.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "bound/context.h"
#include "bound/optimise.h"
#include "bound/ranks/leader.h"
#include "comm/communicator.h"
#include "search/input_tree.h"
#include "search/judge.h"
#include "search/spec.h"
#include "search/tree.h"
#include "search/turn.h"

namespace coronet::search {

/// What every rank must know of a turn of branch and bound over ReLUs.
struct NeuronTurn {
  const bound::Root& root;
  const std::vector<ClauseRows>& clauses;
  const std::vector<GraphBox>& boxes;
  const std::uint64_t& attacks;  ///< the number of the last attack made
};

/// The same of input splitting.
struct BoxTurn {
  const std::vector<ClauseRows>& clauses;
  const std::vector<GraphBox>& boxes;
};

/// Are there ranks to share with?
bool several(bound::Ranks* ranks);

/// As the leader: a turn as drive() makes it, on all ranks (turn.ranks), which work on domains of
/// their own. What is open in the end lies in `open` again. `absorb` hears what each rank found
/// out, before the state is saved and at the end. The context's graph came from turn.ranks.
TurnEnd share(bound::Context& context, const NeuronTurn& what, std::vector<Domain>& open,
              const TurnWords& words, const Turn& turn, Judge& judge,
              const std::function<void(const Findings&)>& absorb);
TurnEnd share(bound::Context& context, const BoxTurn& what, std::vector<BoxDomain>& open,
              const TurnWords& words, const Turn& turn, Judge& judge,
              const std::function<void(const Findings&)>& absorb);

/// As any rank but 0: takes part in the turn of this order (bound::ServerSettings::search). More
/// than `memory_bytes` in the process's memory fail all ranks with kOutOfMemory.
void take_part(comm::Communicator& group, bound::Context& context, const comm::Bytes& order,
               std::uint64_t memory_bytes);

}  // namespace coronet::search
