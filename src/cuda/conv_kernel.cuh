// The implicit GEMM of one phase of a convolution: M = destination pixels of all rows, N =
// destination channels of a group, K = taps times source channels of the group.
//
// A tile of the source (gathered through cp.async, zero outside windows and images) and a tile of
// the weights stand in shared memory; each thread keeps a block of the result in registers. Tiles
// of K are taken in order, so each result is one chain.
#pragma once

#include <cstdint>

#include "cuda/over_rows.cuh"

namespace coronet::cuda {

/// A side's windows in its image.
struct ConvSide {
  int height, width, channels;
  Axis y, x;
  int row_size;   // numbers of a row
  int per_group;  // channels of a group
};

struct ConvLine {
  int to_step, to_base, from_step;
  int most;  // destination pixels of a window in this phase, at most
};

template <class T>
struct ConvWork {
  const T* from;
  T* to;
  ConvSide source, target;
  ConvLine y, x;
  const int *start_y, *start_x;  // null: 0
  int pixels;                    // M
  int taps;
  const int* offsets;
  const T* weights;
  int k, n;         // padded
  const T* bias;    // the chains start from it; null: from 0
  bool accumulate;  // the chains start from what stands in `to`
  bool wide;        // stores of 16 bytes
};

// Where a destination pixel's sources lie: the source pixel of a tap with offset (0, 0), in the
// part of the window inside the image, and how large that part is; coordinates in 16 bits each.
struct alignas(16) ConvSource {
  long long at;  // offset in `from`, may be outside where no tap is valid
  int yx;
  int hw;
};

__device__ __forceinline__ int pack16(int high, int low) { return (high << 16) | (low & 0xFFFF); }
__device__ __forceinline__ int high16(int x) { return x >> 16; }
__device__ __forceinline__ int low16(int x) { return static_cast<short>(x & 0xFFFF); }

__device__ __forceinline__ int ceil_divide(int a, int b) {
  return a >= 0 ? (a + b - 1) / b : -(-a / b);
}

/// Along one axis: pixel i of the phase in a window at to_origin.
struct ConvCoordinate {
  int to;      // in the destination's window
  int inside;  // 1: in the image
  int from;    // of tap offset 0, in the part of the source's window inside the image
  int extent;  // of that part
  int first;   // of that part, in the window
};
__device__ __forceinline__ ConvCoordinate coordinate(const ConvLine& line, int i, int start,
                                                     const Axis& to, int to_extent,
                                                     const Axis& from, int from_extent) {
  const int to_origin = start * to.scale + to.offset;
  const int from_origin = start * from.scale + from.offset;
  const int q = ceil_divide(to_origin - line.to_base, line.to_step) + i;
  const int at = line.to_step * q + line.to_base;
  ConvCoordinate c;
  c.to = at - to_origin;
  c.inside = at >= 0 && at < to_extent ? 1 : 0;
  const int low = min(max(-from_origin, 0), from.size);
  const int high = min(max(from_extent - from_origin, low), from.size);
  c.first = low;
  c.extent = high - low;
  // Far away is as good as just outside: no tap reaches 8192 pixels (DeviceConv refuses such).
  c.from = min(max(line.from_step * q - from_origin - low, -16384), 16383);
  return c;
}

template <int kBytes>
__device__ __forceinline__ void copy_async(void* to, const void* from, bool valid) {
  const auto address = static_cast<unsigned>(__cvta_generic_to_shared(to));
  const int bytes = valid ? kBytes : 0;
  if constexpr (kBytes == 16) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(address), "l"(from),
                 "r"(bytes));
  } else {
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(address), "l"(from),
                 "n"(kBytes), "r"(bytes));
  }
}
__device__ __forceinline__ void commit_copies() { asm volatile("cp.async.commit_group;"); }
template <int kLeft>
__device__ __forceinline__ void wait_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kLeft));
}

/// A block's results by fused multiply-adds: TM x TN a thread.
template <class T, int BM, int BN, int BK, int TM, int TN>
struct FmaTile {
  using Number = T;
  static constexpr int kM = BM, kN = BN, kK = BK;
  static constexpr int kThreads = BM / TM * (BN / TN);
  static constexpr int kVector = 16 / static_cast<int>(sizeof(T));
  static constexpr int kStrideA = BK + kVector;
  static constexpr int kStrideB = BN;
  static constexpr int kWidth = kVector;  // neighbouring results that a thread holds
  static constexpr int kParts = TN / kWidth;
  T acc[TM][kParts][kWidth];

  __device__ __forceinline__ static int column(int part) {
    const int tx = static_cast<int>(threadIdx.x) % (BN / TN);
    return part * (BN / kParts) + tx * kWidth;
  }
  __device__ __forceinline__ static int line(int i) {
    return static_cast<int>(threadIdx.x) / (BN / TN) + i * (BM / TM);
  }
  /// fn(m, n, results n .. n + kWidth) for all that this thread holds.
  template <class Fn>
  __device__ __forceinline__ void visit(Fn&& fn) {
#pragma unroll
    for (int i = 0; i < TM; ++i) {
#pragma unroll
      for (int p = 0; p < kParts; ++p) fn(line(i), column(p), acc[i][p]);
    }
  }
  __device__ __forceinline__ void multiply(const T* a, const T* b) {
#pragma unroll
    for (int k = 0; k < BK; k += kVector) {
      Pack<T, kVector> x[TM];
#pragma unroll
      for (int i = 0; i < TM; ++i) x[i] = load<kVector>(a + line(i) * kStrideA + k);
#pragma unroll
      for (int kk = 0; kk < kVector; ++kk) {
#pragma unroll
        for (int p = 0; p < kParts; ++p) {
          const Pack<T, kVector> w = load<kVector>(b + (k + kk) * kStrideB + column(p));
#pragma unroll
          for (int i = 0; i < TM; ++i) {
#pragma unroll
            for (int j = 0; j < kWidth; ++j) {
              acc[i][p][j] = fma(x[i].x[kk], w.x[j], acc[i][p][j]);
            }
          }
        }
      }
    }
  }
};

/// The same on tensor cores, with the factors rounded to TF32.
template <int BM, int BN, int BK, int WARPS>
struct Tf32Tile {
  using Number = float;
  static constexpr int kM = BM, kN = BN, kK = BK;
  static constexpr int kThreads = WARPS * 32;
  static constexpr int kVector = 4;
  static constexpr int kStrideA = BK + 4;
  static constexpr int kStrideB = BN + 8;  // fragments then lie in 32 different banks
  static constexpr int kWidth = 2;
  static constexpr int kTilesM = BM / WARPS / 16;
  static constexpr int kTilesN = BN / 8;
  float acc[kTilesM][kTilesN][2][2];

  template <class Fn>
  __device__ __forceinline__ void visit(Fn&& fn) {
    const int warp = static_cast<int>(threadIdx.x) / 32;
    const int lane = static_cast<int>(threadIdx.x) % 32;
#pragma unroll
    for (int i = 0; i < kTilesM; ++i) {
#pragma unroll
      for (int j = 0; j < kTilesN; ++j) {
#pragma unroll
        for (int half = 0; half < 2; ++half) {
          fn(warp * (BM / WARPS) + i * 16 + half * 8 + lane / 4, j * 8 + lane % 4 * 2,
             acc[i][j][half]);
        }
      }
    }
  }
  /// To nearest, ties away from zero; the weights come rounded.
  __device__ __forceinline__ static unsigned rounded(float x) {
    return (__float_as_uint(x) + 0x1000U) & 0xFFFFE000U;
  }
  __device__ __forceinline__ void multiply(const float* a, const float* b) {
    const int warp = static_cast<int>(threadIdx.x) / 32;
    const int lane = static_cast<int>(threadIdx.x) % 32;
    const float* const from_a = a + (warp * (BM / WARPS) + lane / 4) * kStrideA + lane % 4;
    const float* const from_b = b + lane % 4 * kStrideB + lane / 4;
#pragma unroll
    for (int k = 0; k < BK; k += 8) {
      unsigned x[kTilesM][4];
#pragma unroll
      for (int i = 0; i < kTilesM; ++i) {
        const float* const at = from_a + i * 16 * kStrideA + k;
        x[i][0] = rounded(at[0]);
        x[i][1] = rounded(at[8 * kStrideA]);
        x[i][2] = rounded(at[4]);
        x[i][3] = rounded(at[8 * kStrideA + 4]);
      }
#pragma unroll
      for (int j = 0; j < kTilesN; ++j) {
        const unsigned w0 = __float_as_uint(from_b[k * kStrideB + j * 8]);
        const unsigned w1 = __float_as_uint(from_b[(k + 4) * kStrideB + j * 8]);
#pragma unroll
        for (int i = 0; i < kTilesM; ++i) {
          float* const c = &acc[i][j][0][0];
          asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, "
              "{%8,%9}, {%0,%1,%2,%3};"
              : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
              : "r"(x[i][0]), "r"(x[i][1]), "r"(x[i][2]), "r"(x[i][3]), "r"(w0), "r"(w1));
        }
      }
    }
  }
};

template <class Tile, int kStages>
constexpr std::size_t conv_shared_bytes() {
  return static_cast<std::size_t>(kStages) *
             (Tile::kM * Tile::kStrideA + Tile::kK * Tile::kStrideB) *
             sizeof(typename Tile::Number) +
         Tile::kM * (sizeof(ConvSource) + sizeof(long long));
}

/// VEC: numbers of the source that are fetched at once.
template <class Tile, int kStages, int VEC>
__global__ void __launch_bounds__(Tile::kThreads)
    conv_kernel(const __grid_constant__ ConvWork<typename Tile::Number> w) {
  using T = typename Tile::Number;
  constexpr int BM = Tile::kM, BN = Tile::kN, BK = Tile::kK;
  extern __shared__ __align__(16) unsigned char shared[];
  ConvSource* const sources = reinterpret_cast<ConvSource*>(shared);
  long long* const targets = reinterpret_cast<long long*>(sources + BM);
  T* const tiles_a = reinterpret_cast<T*>(targets + BM);
  T* const tiles_b = tiles_a + kStages * BM * Tile::kStrideA;
  const int thread = static_cast<int>(threadIdx.x);
  const int group = static_cast<int>(blockIdx.z);
  const int first_n = static_cast<int>(blockIdx.y) * BN;

  // Where each destination pixel of the block lies, and its sources. A target is twice the offset,
  // plus 1 inside the image; -1: none.
  for (int i = thread; i < BM; i += Tile::kThreads) {
    const long long m = static_cast<long long>(blockIdx.x) * BM + i;
    ConvSource source{0, 0, 0};
    long long target = -1;
    if (m < w.pixels) {
      const int pixel = static_cast<int>(m);
      const int line = pixel / w.x.most;
      const int row = line / w.y.most;
      const ConvCoordinate y =
          coordinate(w.y, line - row * w.y.most, w.start_y == nullptr ? 0 : w.start_y[row],
                     w.target.y, w.target.height, w.source.y, w.source.height);
      const ConvCoordinate x =
          coordinate(w.x, pixel - line * w.x.most, w.start_x == nullptr ? 0 : w.start_x[row],
                     w.target.x, w.target.width, w.source.x, w.source.width);
      if (y.to < w.target.y.size && x.to < w.target.x.size) {
        const int inside = y.inside & x.inside;
        target = (static_cast<long long>(row) * w.target.row_size +
                  static_cast<long long>(y.to * w.target.x.size + x.to) * w.target.channels +
                  group * w.target.per_group) *
                     2 +
                 inside;
        source.at =
            static_cast<long long>(row) * w.source.row_size +
            (static_cast<long long>(y.from + y.first) * w.source.x.size + x.from + x.first) *
                w.source.channels +
            group * w.source.per_group;
        source.yx = pack16(y.from, x.from);
        source.hw = inside != 0 ? pack16(y.extent, x.extent) : 0;
      }
    }
    sources[i] = source;
    targets[i] = target;
  }
  __syncthreads();

  // This thread's part of a tile of the source: kCopies pixels, always the same place in K.
  constexpr int kAcross = BK / VEC;
  constexpr int kStep = Tile::kThreads / kAcross;
  static_assert(Tile::kThreads % kAcross == 0 && BM % kStep == 0);
  const int copy_k = thread % kAcross * VEC;
  const int copy_m = thread / kAcross;
  int tap = copy_k / w.source.per_group;
  int channel = copy_k - tap * w.source.per_group;
  const T* weights = w.weights + static_cast<std::size_t>(group) * w.k * w.n + first_n;

  const auto fetch = [&](int stage) {
    T* const a = tiles_a + stage * BM * Tile::kStrideA + copy_k;
    const bool exists = tap < w.taps;
    const int offset = exists ? __ldg(w.offsets + tap) : 0;
    const int dy = high16(offset);
    const int dx = low16(offset);
    const long long shift =
        static_cast<long long>(dy * w.source.x.size + dx) * w.source.channels + channel;
#pragma unroll 4
    for (int m = copy_m; m < BM; m += kStep) {
      const ConvSource s = sources[m];
      const bool valid =
          exists &&
          static_cast<unsigned>(high16(s.yx) + dy) < static_cast<unsigned>(high16(s.hw)) &&
          static_cast<unsigned>(low16(s.yx) + dx) < static_cast<unsigned>(low16(s.hw));
      copy_async<VEC* int{sizeof(T)}>(a + m * Tile::kStrideA,
                                      valid ? w.from + s.at + shift : w.from, valid);
    }
    channel += BK;
    while (channel >= w.source.per_group) {
      channel -= w.source.per_group;
      ++tap;
    }
    T* const b = tiles_b + stage * BK * Tile::kStrideB;
    constexpr int kV = Tile::kVector;
    for (int i = thread; i < BK * BN / kV; i += Tile::kThreads) {
      const int k = i / (BN / kV);
      const int n = i % (BN / kV) * kV;
      copy_async<16>(b + k * Tile::kStrideB + n, weights + static_cast<std::size_t>(k) * w.n + n,
                     true);
    }
    weights += static_cast<std::size_t>(BK) * w.n;
  };

  const int tiles = w.k / BK;
#pragma unroll
  for (int s = 0; s < kStages - 1; ++s) {
    if (s < tiles) fetch(s);
    commit_copies();
  }

  // What the chains start from.
  Tile tile;
  const int here = w.target.per_group - first_n;
  tile.visit([&](int m, int n, T(&v)[Tile::kWidth]) {
    const long long target = targets[m];
    const T* const at = w.to + (target >> 1) + first_n + n;
#pragma unroll
    for (int j = 0; j < Tile::kWidth; ++j) {
      v[j] = 0;
      if (target < 0 || (target & 1) == 0 || n + j >= here) continue;
      if (w.accumulate) {
        v[j] = at[j];
      } else if (w.bias != nullptr) {
        v[j] = __ldg(w.bias + group * w.target.per_group + first_n + n + j);
      }
    }
  });

  int stage = 0;
  for (int t = 0; t < tiles; ++t) {
    wait_copies<kStages - 2>();
    __syncthreads();
    const int ahead = t + kStages - 1;
    if (ahead < tiles) fetch(stage == 0 ? kStages - 1 : stage - 1);
    commit_copies();
    tile.multiply(tiles_a + stage * BM * Tile::kStrideA, tiles_b + stage * BK * Tile::kStrideB);
    stage = stage + 1 == kStages ? 0 : stage + 1;
  }

  tile.visit([&](int m, int n, T(&v)[Tile::kWidth]) {
    const long long target = targets[m];
    if (target < 0 || n >= here) return;
    const bool inside = (target & 1) != 0;
    if (!inside && w.accumulate) return;
    T* const at = w.to + (target >> 1) + first_n + n;
    Pack<T, Tile::kWidth> out;
#pragma unroll
    for (int j = 0; j < Tile::kWidth; ++j) out.x[j] = inside ? v[j] : T(0);
    if (w.wide) {
      store<Tile::kWidth>(at, out);
      return;
    }
#pragma unroll
    for (int j = 0; j < Tile::kWidth; ++j) {
      if (n + j < here) at[j] = out.x[j];
    }
  });
}

}  // namespace coronet::cuda
