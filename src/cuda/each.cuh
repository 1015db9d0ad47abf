// The one loop over numbers that belong to no rows.
#pragma once

#include <algorithm>
#include <cstddef>

#include "cuda/check.h"
#include "cuda/device.h"

namespace coronet::cuda {

template <class Fn>
__global__ void each_kernel(std::size_t count, const Fn fn) {
  const std::size_t step = static_cast<std::size_t>(gridDim.x) * blockDim.x;
  for (std::size_t i = static_cast<std::size_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < count;
       i += step) {
    fn(i);
  }
}

/// fn(i) for all i < count.
template <class Fn>
void each(Device& device, std::size_t count, const Fn& fn, const char* name) {
  if (count == 0) return;
  const auto blocks = static_cast<unsigned>(std::min<std::size_t>((count + 255) / 256, 65535));
  each_kernel<<<blocks, 256, 0, device.stream()>>>(count, fn);
  check(cudaGetLastError(), name, __FILE__, __LINE__);
}

}  // namespace coronet::cuda
