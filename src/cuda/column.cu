#include "cuda/column.h"

#include "cuda/check.h"

namespace coronet::cuda {

namespace {

constexpr int kWarp = 32;
constexpr int kThreads = 256;

template <bool kAbsolute>
__device__ __forceinline__ double factor(double w) {
  return kAbsolute ? fabs(w) : w;
}

/// A warp sums a row: each lane every 32nd product, then a tree.
template <bool kAbsolute, class W>
__global__ void __launch_bounds__(kThreads)
    dense_kernel(int rows, int cols, const W* w, const double* u, double* y) {
  const int row = static_cast<int>(blockIdx.x * (kThreads / kWarp) + threadIdx.x / kWarp);
  if (row >= rows) return;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const W* const from = w + static_cast<std::size_t>(row) * cols;
  double sum = 0;
#pragma unroll 8
  for (int i = lane; i < cols; i += kWarp) {
    sum = fma(factor<kAbsolute>(static_cast<double>(from[i])), __ldg(u + i), sum);
  }
  for (int half = kWarp / 2; half > 0; half /= 2) sum += __shfl_down_sync(0xFFFFFFFFU, sum, half);
  if (lane == 0) y[row] = sum;
}

/// A thread an element: neighbours share the pixel and read neighbouring weights.
template <bool kAbsolute>
__global__ void __launch_bounds__(kThreads)
    conv_kernel(const ConvWeights c, const double* u, double* y) {
  const int element = static_cast<int>(blockIdx.x * kThreads + threadIdx.x);
  if (element >= c.out.height * c.out.width * c.out.channels) return;
  const int pixel = element / c.out.channels;
  const int channel = element - pixel * c.out.channels;
  const int per_group = c.out.channels / c.groups;
  const int group = channel / per_group;
  const int source = c.in.channels / c.groups;
  const double* const w =
      c.weights + static_cast<std::size_t>(group) * c.k * c.n + (channel - group * per_group);
  const int oy = pixel / c.out.width;
  const int y0 = oy * c.stride_y;
  const int x0 = (pixel - oy * c.out.width) * c.stride_x;
  double sum = 0;
  for (int tap = 0; tap < c.taps; ++tap) {
    const int offset = __ldg(c.offsets + tap);
    const int iy = y0 + (offset >> 16);
    const int ix = x0 + static_cast<short>(offset & 0xFFFF);
    if (iy < 0 || iy >= c.in.height || ix < 0 || ix >= c.in.width) continue;
    const double* const from =
        u + (static_cast<std::size_t>(iy) * c.in.width + ix) * c.in.channels + group * source;
    const double* const by = w + static_cast<std::size_t>(tap) * source * c.n;
#pragma unroll 8
    for (int s = 0; s < source; ++s) {
      sum = fma(factor<kAbsolute>(__ldg(by + static_cast<std::size_t>(s) * c.n)), __ldg(from + s),
                sum);
    }
  }
  y[element] = sum;
}

template <class W>
void by_tiles(Device& device, const Matrix& matrix, bool absolute, const double* u, double* y) {
  constexpr int kRows = kThreads / kWarp;
  const auto kernel = absolute ? dense_kernel<true, W> : dense_kernel<false, W>;
  for_each_tile<W>(device, matrix, [&](const W* w, int first, int count) {
    const auto blocks = static_cast<unsigned>((count + kRows - 1) / kRows);
    kernel<<<blocks, kThreads, 0, device.stream()>>>(count, matrix.cols, w, u, y + first);
    CORONET_CUDA_LAUNCHED("dense_column");
  });
}

}  // namespace

void dense_column(Device& device, const Matrix& w, bool absolute, const double* u, double* y) {
  if (w.rows == 0) return;
  if (w.wide) {
    by_tiles<double>(device, w, absolute, u, y);
  } else {
    by_tiles<float>(device, w, absolute, u, y);
  }
}

void conv_column(Device& device, const ConvWeights& w, bool absolute, const double* u, double* y) {
  if (w.out.size() == 0) return;
  const auto blocks = static_cast<unsigned>((w.out.size() + kThreads - 1) / kThreads);
  const auto kernel = absolute ? conv_kernel<true> : conv_kernel<false>;
  kernel<<<blocks, kThreads, 0, device.stream()>>>(w, u, y);
  CORONET_CUDA_LAUNCHED("conv_column");
}

}  // namespace coronet::cuda
