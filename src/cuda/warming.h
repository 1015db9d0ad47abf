// The first products of a process wait until cuBLAS has loaded its kernels: 0.1 s on an H200.
#pragma once

#include <thread>

#include "cuda/gemm.h"

namespace coronet::cuda {

/// Has them loaded by a thread of its own, while weights are read and sent: forms a product in
/// double and, for `descents`, some in float32, on memory of its own, which is given back at once.
/// Nothing depends on it: what fails here is met, and told, by whoever needs it.
class Warming {
 public:
  /// Device memory that it has for a moment.
  static constexpr std::size_t kBytes = std::size_t{64} << 20;

  Warming(int ordinal, Precision precision, bool descents);
  ~Warming();
  Warming(const Warming&) = delete;
  Warming& operator=(const Warming&) = delete;

 private:
  std::thread thread_;
};

}  // namespace coronet::cuda
