// A swarm on a CUDA device.
#pragma once

#include <cstddef>
#include <memory>

#include "bound/swarm.h"
#include "cuda/device.h"

namespace coronet::bound {

/// On the network `net` of the device, with as many points as fit into so many bytes.
std::unique_ptr<Swarm> make_cuda_swarm(cuda::Device& device, const Network<float>& net,
                                       const Boxes& boxes, std::size_t bytes);

}  // namespace coronet::bound
