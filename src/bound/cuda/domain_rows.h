// Domains of branch and bound on a CUDA device.
#pragma once

#include <cstddef>
#include <memory>

#include "bound/domain_rows.h"
#include "bound/network.h"
#include "cuda/device.h"

namespace coronet::bound {

/// The networks are the device's, and outlive it, as does what `space` refers to. `chunk_bytes`: of
/// a chunk of the root's rows; a batch of domains may take kDomainChunks of them.
inline constexpr std::size_t kDomainChunks = 4;
std::unique_ptr<DomainRows> make_cuda_domain_rows(cuda::Device& device, const Network<float>& net32,
                                                  const Network<double>& net64,
                                                  const DomainSpace& space,
                                                  std::size_t chunk_bytes);

}  // namespace coronet::bound
