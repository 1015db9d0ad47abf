#include <algorithm>
#include <cstddef>

#include "cuda/check.h"
#include "cuda/gather.h"

namespace coronet::cuda {

namespace {

/// With kAtOnce loads of kWide bytes of each thread, two megabytes are on their way: what a link
/// carries in a round trip, several times over. Other blocks have the rest of the device.
constexpr int kBlocks = 32;
constexpr int kThreads = 1024;
constexpr int kAtOnce = 4;
constexpr int kWide = 16;

template <class T>
struct alignas(kWide) Wide {
  static constexpr int kCount = kWide / static_cast<int>(sizeof(T));
  T x[kCount];
};
template <int N>
struct alignas(sizeof(int) * N) Places {
  int x[N];
};

/// One number at a time where the row does not begin at a multiple of kWide.
template <class T, int N, class Load>
__device__ void copy_stretch(const Stretch& part, const int* place, T* line, const Load& load) {
  constexpr int kStep = N * kThreads;
  for (int base = part.first + N * static_cast<int>(threadIdx.x); base < part.last;
       base += kAtOnce * kStep) {
    T held[kAtOnce][N];
    int to[kAtOnce][N];
#pragma unroll
    for (int k = 0; k < kAtOnce; ++k) {
      const int c = base + k * kStep;
      if (c < part.last) load(c, held[k], to[k]);
    }
#pragma unroll
    for (int k = 0; k < kAtOnce; ++k) {
      if (base + k * kStep >= part.last) break;
#pragma unroll
      for (int i = 0; i < N; ++i) {
        if (to[k][i] >= 0) line[to[k][i]] = held[k][i];
      }
    }
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    gather_kernel(const Stretch* stretches, const int* begin, const int* place, int cols, int count,
                  T* to) {
  constexpr int kCount = Wide<T>::kCount;
  for (int r = static_cast<int>(blockIdx.x); r < count; r += static_cast<int>(gridDim.x)) {
    T* const line = to + static_cast<std::size_t>(r) * cols;
    for (int s = begin[r]; s < begin[r + 1]; ++s) {
      const Stretch part = stretches[s];
      const T* const from = static_cast<const T*>(part.from);
      const bool wide = reinterpret_cast<std::size_t>(from) % kWide == 0 &&
                        part.first % kCount == 0 && part.last % kCount == 0;
      if (wide) {
        copy_stretch<T, kCount>(part, place, line, [&](int c, T* held, int* at) {
          const auto numbers = *reinterpret_cast<const Wide<T>*>(from + c);
          const auto places = *reinterpret_cast<const Places<kCount>*>(place + c);
#pragma unroll
          for (int i = 0; i < kCount; ++i) {
            held[i] = numbers.x[i];
            at[i] = places.x[i];
          }
        });
      } else {
        copy_stretch<T, 1>(part, place, line, [&](int c, T* held, int* at) {
          held[0] = from[c];
          at[0] = place[c];
        });
      }
    }
  }
}

}  // namespace

template <class T>
void gather(const Scattered& from, int first, int count, T* to, cudaStream_t stream) {
  if (count == 0 || from.cols == 0) return;
  gather_kernel<<<std::min(count, kBlocks), kThreads, 0, stream>>>(
      from.stretches, from.begin + first, from.place, from.cols, count, to);
  CORONET_CUDA_LAUNCHED("gather");
}
template void gather(const Scattered&, int, int, float*, cudaStream_t);
template void gather(const Scattered&, int, int, double*, cudaStream_t);

}  // namespace coronet::cuda
