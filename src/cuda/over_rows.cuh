// The one loop over the elements of rows that all elementwise kernels share: where an element of a
// row lies in the node, several at a time where rows are whole, and sums in a fixed order.
#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <type_traits>

#include "cuda/check.h"
#include "cuda/dealing.h"
#include "cuda/device.h"
#include "cuda/geometry.h"

namespace coronet::cuda {

/// V numbers that are read and written at once.
template <class T, int V>
struct alignas(sizeof(T) * V) Pack {
  T x[V];
};
template <int V, class T>
__device__ __forceinline__ Pack<T, V> load(const T* from) {
  return *reinterpret_cast<const Pack<T, V>*>(from);
}
template <int V, class T>
__device__ __forceinline__ void store(T* to, const Pack<T, V>& pack) {
  *reinterpret_cast<Pack<T, V>*>(to) = pack;
}
/// Through the read-only path, for what all rows share.
template <int V>
__device__ __forceinline__ Pack<float, V> load_shared(const float* from) {
  Pack<float, V> out;
  if constexpr (V == 4) {
    const float4 v = __ldg(reinterpret_cast<const float4*>(from));
    out = {{v.x, v.y, v.z, v.w}};
  } else {
    for (int i = 0; i < V; ++i) out.x[i] = __ldg(from + i);
  }
  return out;
}
template <int V>
__device__ __forceinline__ Pack<double, V> load_shared(const double* from) {
  Pack<double, V> out;
  if constexpr (V == 2) {
    const double2 v = __ldg(reinterpret_cast<const double2*>(from));
    out = {{v.x, v.y}};
  } else {
    for (int i = 0; i < V; ++i) out.x[i] = __ldg(from + i);
  }
  return out;
}

/// Where element e of row r lies: its offset in the node, or -1 in a gap.
__device__ __forceinline__ int node_offset(const Geometry& g, const Rows& rows, int r, int e) {
  if (g.whole) return e;
  const int pixel = e / g.channels;
  const int y = pixel / g.x.size;
  const int iy = rows.start_y[r] * g.y.scale + g.y.offset + y;
  const int ix = rows.start_x[r] * g.x.scale + g.x.offset + pixel - y * g.x.size;
  if (iy < 0 || iy >= g.height || ix < 0 || ix >= g.width) return -1;
  return (iy * g.width + ix) * g.channels + e - pixel * g.channels;
}

/// The offset in row r of the element at `node`, or -1 where the window does not reach it.
__device__ __forceinline__ int row_offset(const Geometry& g, const Rows& rows, int r, int node) {
  if (g.whole) return node;
  const int pixel = node / g.channels;
  const int iy = pixel / g.width;
  const int y = iy - (rows.start_y[r] * g.y.scale + g.y.offset);
  const int x = pixel - iy * g.width - (rows.start_x[r] * g.x.scale + g.x.offset);
  if (y < 0 || y >= g.y.size || x < 0 || x >= g.x.size) return -1;
  return (y * g.x.size + x) * g.channels + node - pixel * g.channels;
}

/// One element, or V from there: row, offset in the row, in the node, in the other row (of another
/// geometry), and where the row's domain begins in arrays of [domains][size].
struct Place {
  int row;
  int e;
  int node;
  int other;
  std::size_t domain;
};

/// The sum over the block, in thread 0, by a fixed tree.
__device__ __forceinline__ double block_sum(double x) {
  __shared__ double warps[32];
  for (int half = 16; half > 0; half /= 2) x += __shfl_down_sync(0xFFFFFFFFU, x, half);
  const int warp = static_cast<int>(threadIdx.x) / 32;
  if (threadIdx.x % 32 == 0) warps[warp] = x;
  __syncthreads();
  if (threadIdx.x == 0) {
    for (int i = 1; i < static_cast<int>(blockDim.x) / 32; ++i) x += warps[i];
  }
  return x;
}

/// For ops without a sum.
struct NoSum {
  __device__ void operator()(int, double) const {}
};

/// op.run<V>(place) for all elements inside the image, op.gap(row, e) for the others. The sum of
/// what run returns goes to finish(row, sum) where one block has all of the row, else to
/// partial[row][chunk].
template <int V, class Op, class Finish>
__global__ void __launch_bounds__(256)
    over_rows_kernel(const Op op, const Rows rows, const Geometry g, const Geometry other,
                     const bool alike, const int chunk, double* partial, const Finish finish) {
  constexpr bool kSum = !std::is_same_v<Finish, NoSum>;
  const int r = static_cast<int>(blockIdx.x);
  const int size = g.size();
  const int begin = static_cast<int>(blockIdx.y) * chunk;
  const int end = size - begin < chunk ? size : begin + chunk;
  const std::size_t domain =
      rows.domain == nullptr ? 0 : static_cast<std::size_t>(rows.domain[r]) * g.node_size();
  typename Op::Number sum = 0;
  for (int e = begin + static_cast<int>(threadIdx.x) * V; e < end;
       e += static_cast<int>(blockDim.x) * V) {
    Place at{r, e, e, e, domain};
    if (V == 1 && !(g.whole && alike)) {
      at.node = node_offset(g, rows, r, e);
      if (at.node < 0) {
        op.gap(r, e);
        continue;
      }
      if (!alike) at.other = row_offset(other, rows, r, at.node);
    }
    const typename Op::Number term = op.template run<V>(at);
    if (kSum) sum += term;
  }
  if (kSum) {
    const double total = block_sum(static_cast<double>(sum));
    if (threadIdx.x != 0) return;
    if (gridDim.y == 1) {
      finish(r, total);
    } else {
      partial[static_cast<std::size_t>(r) * gridDim.y + blockIdx.y] = total;
    }
  }
}

inline bool aligned(std::initializer_list<const void*> pointers) {
  for (const void* p : pointers) {
    if (reinterpret_cast<std::uintptr_t>(p) % 16 != 0) return false;
  }
  return true;
}

/// Which of both dealings serves, and how the rows are dealt by it.
template <class Op>
bool wide_rows(const Op& op, const Geometry& g, const Geometry& other) {
  return wide_rows<typename Op::Number>(g, other) && op.wide();
}

template <class Op, class Finish>
void launch_over_rows(Device& device, const Op& op, const Rows& rows, const Geometry& g,
                      const Geometry& other, const Dealing& d, bool wide, double* partial,
                      const Finish& finish, const char* name) {
  constexpr int kAtOnce = kWide<typename Op::Number>;
  const dim3 grid(static_cast<unsigned>(rows.count), static_cast<unsigned>(d.chunks));
  const bool alike = same(g, other);
  if (wide) {
    over_rows_kernel<kAtOnce><<<grid, d.threads, 0, device.stream()>>>(op, rows, g, other, alike,
                                                                       d.chunk, partial, finish);
  } else {
    over_rows_kernel<1><<<grid, d.threads, 0, device.stream()>>>(op, rows, g, other, alike, d.chunk,
                                                                 partial, finish);
  }
  check(cudaGetLastError(), name, __FILE__, __LINE__);
}

/// For ops without a sum.
template <class Op>
void over_rows(Device& device, const Op& op, const Rows& rows, const Geometry& g,
               const Geometry& other, const char* name) {
  constexpr int kAtOnce = kWide<typename Op::Number>;
  if (rows.count == 0 || g.size() == 0) return;
  const bool wide = wide_rows(op, g, other);
  launch_over_rows(device, op, rows, g, other, deal(g.size(), wide ? kAtOnce : 1), wide, nullptr,
                   NoSum{}, name);
}

template <class Finish>
__global__ void finish_kernel(int count, int chunks, const double* partial, const Finish finish) {
  const int r = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (r >= count) return;
  double sum = 0;
  for (int i = 0; i < chunks; ++i) sum += partial[static_cast<std::size_t>(r) * chunks + i];
  finish(r, sum);
}

/// finish(row, the sum over the row of what op.run returns), on the device.
template <class Op, class Finish>
void sum_over_rows(Device& device, const Op& op, const Rows& rows, const Geometry& g,
                   const Geometry& other, const Finish& finish, const char* name) {
  constexpr int kAtOnce = kWide<typename Op::Number>;
  if (rows.count == 0) return;
  const bool wide = wide_rows(op, g, other);
  const Dealing d = deal(g.size(), wide ? kAtOnce : 1);
  Buffer<double> partial;
  if (d.chunks > 1) {
    partial = device.take<double>(static_cast<std::size_t>(rows.count) * d.chunks,
                                  Tensor::kWorkspace, "sums over parts of rows");
  }
  launch_over_rows(device, op, rows, g, other, d, wide, partial.data(), finish, name);
  if (d.chunks == 1) return;
  finish_kernel<<<(rows.count + 127) / 128, 128, 0, device.stream()>>>(rows.count, d.chunks,
                                                                       partial.data(), finish);
  check(cudaGetLastError(), name, __FILE__, __LINE__);
}

/// sum[r] += total
struct AddTo {
  double* sum;
  __device__ void operator()(int r, double total) const { sum[r] += total; }
};

}  // namespace coronet::cuda
