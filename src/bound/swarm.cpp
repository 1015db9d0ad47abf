#include "bound/swarm.h"

#include "bound/swarm_on.h"

namespace coronet::bound {

std::unique_ptr<Swarm> make_swarm(const Network<float>& net, Workspace<float>& space,
                                  const Boxes& boxes) {
  return std::make_unique<SwarmOn<device::Cpu>>(net, space, kSwarmPoints, boxes.lower.data(),
                                                boxes.upper.data());
}

}  // namespace coronet::bound
