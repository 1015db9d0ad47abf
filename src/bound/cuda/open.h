// What bound/accelerator.cpp needs of a build with CUDA.
#pragma once

#include <cstddef>
#include <memory>

#include "bound/accelerator.h"

namespace coronet::bound {

std::unique_ptr<Accelerator> open_cuda(int ordinal, const Options& options);

/// How many devices there are; none without a driver.
int cuda_devices();

/// Bytes that a device would let a run take: nine tenths of what is free.
std::size_t cuda_free_bytes(int ordinal);

/// The N of "cuda:N" ("cuda" is 0); kBadInput where it is neither.
int cuda_ordinal(const std::string& name);

}  // namespace coronet::bound
