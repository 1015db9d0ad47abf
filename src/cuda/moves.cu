#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "base/error.h"
#include "cuda/each.cuh"
#include "cuda/moves.h"
#include "cuda/over_rows.cuh"

namespace coronet::cuda {

namespace {

constexpr int kArrays = 8;

template <class T>
struct Start {
  Rows rows;
  Geometry g;
  const int* neuron;
  const T* sign;
  T* a;
  __device__ void operator()(std::size_t i) const {
    const int r = static_cast<int>(i);
    const int at = row_offset(g, rows, r, neuron[r]);
    if (at >= 0) a[i * g.size() + at] = sign[r];
  }
};

template <class T, class W>
__global__ void selection_kernel(const int* neuron, const T* sign, const W* w, int first, int count,
                                 int cols, T* u) {
  const std::size_t r = blockIdx.x;
  const int row = neuron[r] - first;
  if (row < 0 || row >= count) return;
  const W* const from = w + static_cast<std::size_t>(row) * cols;
  const T s = sign[r];
  for (int i = static_cast<int>(blockIdx.y * blockDim.x + threadIdx.x); i < cols;
       i += static_cast<int>(gridDim.y * blockDim.x)) {
    u[r * cols + i] = s * static_cast<T>(from[i]);
  }
}

/// range[0] = the least neuron, range[1] = the largest; they begin as what any of them replaces.
__global__ void range_kernel(int count, const int* neuron, int* range) {
  const int r = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  const int j = neuron[min(r, count - 1)];
  const unsigned all = 0xffffffff;
  const int least = __reduce_min_sync(all, j);
  const int most = __reduce_max_sync(all, j);
  if (threadIdx.x % 32 != 0) return;
  atomicMin(range, least);
  atomicMax(range + 1, most);
}

/// The rows of a weight that are selected, where they come from elsewhere: those of one chunk are
/// few of them.
RowRange selected(Device& device, int count, const int* neuron, const Matrix& w) {
  if (w.tiles == nullptr) return {};
  constexpr int kBlock = 256;
  std::vector<int> range{w.rows - 1, 0};
  const auto found = device.upload(range, Tensor::kWorkspace, "which rows are selected");
  range_kernel<<<(count + kBlock - 1) / kBlock, kBlock, 0, device.stream()>>>(count, neuron,
                                                                              found.data());
  CORONET_CUDA_LAUNCHED("the range of a selection");
  device.download(range.data(), found.data(), range.size());
  return {range[0], range[1] + 1};
}

template <class T>
struct AddSelected {
  const int* neuron;
  const T* sign;
  const double* b;
  int period;
  double* bias;
  __device__ void operator()(std::size_t r) const { bias[r] += sign[r] * b[neuron[r] % period]; }
};

template <class From, class T, bool kAdd>
struct Convert {
  const From* from;
  T* to;
  __device__ void operator()(std::size_t i) const {
    to[i] = kAdd ? to[i] + static_cast<T>(from[i]) : static_cast<T>(from[i]);
  }
};

template <class T>
struct Fill {
  T value;
  T* to;
  __device__ void operator()(std::size_t i) const { to[i] = value; }
};

struct Number {
  int* to;
  __device__ void operator()(std::size_t i) const { to[i] = static_cast<int>(i); }
};

template <class T>
struct Spread {
  using Number = T;
  const T* from;
  T* to;
  std::size_t width;
  bool wide() const { return aligned({from, to}); }
  template <int V>
  __device__ __forceinline__ T run(const Place& at) const {
    store<V>(to + at.row * width + at.e, load_shared<V>(from + at.domain + at.node));
    return 0;
  }
  __device__ void gap(int r, int e) const { to[r * width + e] = 0; }
};

struct Arrays {
  std::array<Moved, kArrays> array;
};

// Words of 16 bytes where all allow it, else of 2.
template <class Word>
__global__ void move_kernel(const Arrays arrays, const int* index, const char* flag, bool gather) {
  const std::size_t r = blockIdx.x;
  if (flag != nullptr && flag[r] == 0) return;
  const Moved& m = arrays.array[blockIdx.y];
  const std::size_t words = m.bytes / sizeof(Word);
  const std::size_t other = index[r];
  const Word* const from = static_cast<const Word*>(m.from) + (gather ? other : r) * words;
  Word* const to = static_cast<Word*>(m.to) + (gather ? r : other) * words;
  for (std::size_t i = threadIdx.x; i < words; i += blockDim.x) to[i] = from[i];
}

void move(Device& device, const std::vector<Moved>& arrays, int count, const int* index,
          const char* flag, bool gather, const char* name) {
  if (count == 0) return;
  Arrays all{};
  int n = 0;
  bool wide = true;
  const auto run = [&] {
    if (n == 0) return;
    const dim3 grid(static_cast<unsigned>(count), static_cast<unsigned>(n));
    if (wide) {
      move_kernel<uint4><<<grid, 256, 0, device.stream()>>>(all, index, flag, gather);
    } else {
      move_kernel<std::uint16_t><<<grid, 256, 0, device.stream()>>>(all, index, flag, gather);
    }
    check(cudaGetLastError(), name, __FILE__, __LINE__);
    n = 0;
    wide = true;
  };
  for (const Moved& m : arrays) {
    if (m.from == nullptr || m.bytes == 0) continue;
    if (m.bytes % 2 != 0) {
      throw Error(ErrorKind::kInternal, std::string(name) + ": rows of " + std::to_string(m.bytes) +
                                            " bytes, but they are moved in words of 2");
    }
    wide = wide && m.bytes % 16 == 0 && aligned({m.from, m.to});
    all.array[n++] = m;
    if (n == kArrays) run();
  }
  run();
}

template <class T>
struct PackSlopesOf {
  Rows rows;
  Geometry g;
  const T* alpha;
  const int* free;
  int count;
  PackedSlopes to;
  const int* id;
  const unsigned char* flag;
  __device__ void operator()(std::size_t i) const {
    const int r = static_cast<int>(i / count);
    if (flag != nullptr && flag[r] == 0) return;
    const int k = static_cast<int>(i - static_cast<std::size_t>(r) * count);
    const int at = row_offset(g, rows, r, free[k]);
    const T value = at < 0 ? T(0) : alpha[static_cast<std::size_t>(r) * g.size() + at];
    const std::size_t row = id == nullptr ? r : id[r];
    to.data[row * to.stride + k] = static_cast<std::uint16_t>(value * T(65535) + T(0.5));
  }
};

template <class T>
struct UnpackSlopes {
  Rows rows;
  Geometry g;
  const int* free;
  int count;
  PackedSlopes from;
  const int* id;
  const unsigned char* has;
  T floor;
  T* alpha;
  __device__ void operator()(std::size_t i) const {
    const int r = static_cast<int>(i / count);
    const std::size_t row = id == nullptr ? r : id[r];
    if (has != nullptr && has[row] == 0) return;
    const int k = static_cast<int>(i - static_cast<std::size_t>(r) * count);
    const int at = row_offset(g, rows, r, free[k]);
    if (at < 0) return;
    const T value = static_cast<T>(from.data[row * from.stride + k]) / T(65535);
    alpha[static_cast<std::size_t>(r) * g.size() + at] = value < floor ? floor : value;
  }
};

}  // namespace

template <class T>
void start_rows(Device& device, const Rows& rows, const Geometry& g, const int* neuron,
                const T* sign, T* a) {
  device.zero(a, static_cast<std::size_t>(rows.count) * g.size() * sizeof(T));
  each(device, rows.count, Start<T>{rows, g, neuron, sign, a}, "launch of start_rows");
}

template <class T>
void pull_selection(Device& device, int count, const int* neuron, const T* sign, const Matrix& w,
                    T* u) {
  if (count == 0) return;
  const dim3 grid(static_cast<unsigned>(count), static_cast<unsigned>((w.cols + 1023) / 1024));
  const auto from = [&](const auto* tile, int first, int rows) {
    selection_kernel<<<grid, 256, 0, device.stream()>>>(neuron, sign, tile, first, rows, w.cols, u);
    CORONET_CUDA_LAUNCHED("pull_selection");
  };
  const RowRange range = selected(device, count, neuron, w);
  if (sizeof(T) == sizeof(double) && w.wide) {
    for_each_tile<double>(device, w, from, range);
  } else {
    for_each_tile<float>(device, w, from, range);
  }
}

template <class T>
void add_selected(Device& device, int count, const int* neuron, const T* sign, const double* b,
                  int period, double* bias) {
  each(device, count, AddSelected<T>{neuron, sign, b, period, bias}, "launch of add_selected");
}

template <class T>
void fill(Device& device, std::size_t count, T value, T* to) {
  each(device, count, Fill<T>{value, to}, "launch of fill");
}

void number(Device& device, int count, int* to) {
  each(device, count, Number{to}, "launch of number");
}

template <class T>
void add(Device& device, std::size_t count, const T* from, T* to) {
  each(device, count, Convert<T, T, true>{from, to}, "launch of add");
}

void convert(Device& device, std::size_t count, const float* from, double* to) {
  each(device, count, Convert<float, double, false>{from, to}, "launch of convert");
}
void convert(Device& device, std::size_t count, const double* from, float* to) {
  each(device, count, Convert<double, float, false>{from, to}, "launch of convert");
}

template <class T>
void spread(Device& device, const Rows& rows, const Geometry& g, const T* from, T* to) {
  over_rows(device, Spread<T>{from, to, static_cast<std::size_t>(g.size())}, rows, g, g,
            "launch of spread");
}

void gather_rows(Device& device, const std::vector<Moved>& arrays, int count, const int* index) {
  move(device, arrays, count, index, nullptr, true, "launch of gather_rows");
}

void save_rows(Device& device, const std::vector<Moved>& arrays, int count, const int* id,
               const char* flag) {
  move(device, arrays, count, id, flag, false, "launch of save_rows");
}

template <class T>
void pack_slopes(Device& device, const Rows& rows, const Geometry& g, const T* alpha,
                 const int* free, int free_count, const PackedSlopes& to, const int* id,
                 const unsigned char* flag) {
  each(device, static_cast<std::size_t>(rows.count) * free_count,
       PackSlopesOf<T>{rows, g, alpha, free, free_count, to, id, flag}, "launch of pack_slopes");
}

template <class T>
void unpack_slopes(Device& device, const Rows& rows, const Geometry& g, const T* sl, T floor,
                   const int* free, int free_count, const PackedSlopes& from, const int* id,
                   const unsigned char* has, T* alpha) {
  spread(device, rows, g, sl, alpha);
  each(device, static_cast<std::size_t>(rows.count) * free_count,
       UnpackSlopes<T>{rows, g, free, free_count, from, id, has, floor, alpha},
       "launch of unpack_slopes");
}

#define CORONET_INSTANTIATE(T)                                                                     \
  template void start_rows(Device&, const Rows&, const Geometry&, const int*, const T*, T*);       \
  template void pull_selection(Device&, int, const int*, const T*, const Matrix&, T*);             \
  template void add_selected(Device&, int, const int*, const T*, const double*, int, double*);     \
  template void fill(Device&, std::size_t, T, T*);                                                 \
  template void add(Device&, std::size_t, const T*, T*);                                           \
  template void spread(Device&, const Rows&, const Geometry&, const T*, T*);                       \
  template void pack_slopes(Device&, const Rows&, const Geometry&, const T*, const int*, int,      \
                            const PackedSlopes&, const int*, const unsigned char*);                \
  template void unpack_slopes(Device&, const Rows&, const Geometry&, const T*, T, const int*, int, \
                              const PackedSlopes&, const int*, const unsigned char*, T*);
CORONET_INSTANTIATE(float)
CORONET_INSTANTIATE(double)
#undef CORONET_INSTANTIATE

}  // namespace coronet::cuda
