#include <algorithm>
#include <cstddef>

#include "cuda/check.h"
#include "cuda/gather.h"

namespace coronet::cuda {

namespace {

/// Enough to have what a link carries in a round trip on its way: about half a megabyte.
constexpr int kBlocks = 32;
constexpr int kThreads = 512;
constexpr int kAtOnce = 8;

template <class T>
__global__ void __launch_bounds__(kThreads)
    gather_kernel(const Stretch* stretches, const int* begin, const int* col, int cols, int count,
                  T* to) {
  for (int r = static_cast<int>(blockIdx.x); r < count; r += static_cast<int>(gridDim.x)) {
    T* const line = to + static_cast<std::size_t>(r) * cols;
    for (int s = begin[r]; s < begin[r + 1]; ++s) {
      const Stretch part = stretches[s];
      const T* const from = static_cast<const T*>(part.from);
      for (int base = static_cast<int>(threadIdx.x); base < cols; base += kAtOnce * kThreads) {
        T held[kAtOnce];
        bool mine[kAtOnce];
#pragma unroll
        for (int k = 0; k < kAtOnce; ++k) {
          const int c = base + k * kThreads;
          const int at = c < cols ? col[c] : -1;
          mine[k] = at >= part.first && at < part.last;
          if (mine[k]) held[k] = from[at];
        }
#pragma unroll
        for (int k = 0; k < kAtOnce; ++k) {
          if (mine[k]) line[base + k * kThreads] = held[k];
        }
      }
    }
  }
}

}  // namespace

template <class T>
void gather(const Scattered& from, int first, int count, T* to, cudaStream_t stream) {
  if (count == 0 || from.cols == 0) return;
  gather_kernel<<<std::min(count, kBlocks), kThreads, 0, stream>>>(
      from.stretches, from.begin + first, from.col, from.cols, count, to);
  CORONET_CUDA_LAUNCHED("gather");
}
template void gather(const Scattered&, int, int, float*, cudaStream_t);
template void gather(const Scattered&, int, int, double*, cudaStream_t);

}  // namespace coronet::cuda
