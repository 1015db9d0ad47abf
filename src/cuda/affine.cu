#include <limits>

#include "base/error.h"
#include "cuda/affine.h"
#include "cuda/over_rows.cuh"

namespace coronet::cuda {

namespace {

template <class T>
Buffer<T> numbers(Device& device, const std::vector<double>& from, const char* what) {
  const std::vector<T> in_t(from.begin(), from.end());
  return device.upload(in_t, Tensor::kWeights, what);
}

Geometry flat(int size) { return {1, 1, size, {0, 0, 1}, {0, 0, 1}, true}; }

/// to = or += factor_i from, and + shift_i where there is one; factor of [period].
template <class T, bool kAdd>
struct Multiply {
  using Number = T;
  const T* from;
  T* to;
  std::size_t from_width, to_width;
  const T *factor, *shift;  // null: constant, none
  T constant;
  int period;
  bool reads_other;  // `other` is where to read (push), else where to write (pull)
  bool zeroes;
  bool wide() const { return aligned({from, to}); }
  template <int V>
  __device__ __forceinline__ T run(const Place& at) const {
    const auto x = load<V>(from + at.row * from_width + (reads_other ? at.other : at.e));
    T* const target = to + at.row * to_width + (reads_other ? at.e : at.other);
    Pack<T, V> result;
    if (kAdd) result = load<V>(target);
#pragma unroll
    for (int i = 0; i < V; ++i) {
      const int k = period <= 1 ? 0 : (at.node + i) % period;
      T y = (factor == nullptr ? constant : __ldg(factor + k)) * x.x[i];
      if (shift != nullptr) y += __ldg(shift + k);
      result.x[i] = kAdd ? result.x[i] + y : y;
    }
    store<V>(target, result);
    return 0;
  }
  __device__ void gap(int r, int e) const {
    if (zeroes) to[r * to_width + e] = 0;
  }
};

template <class T>
struct PeriodicDot {
  using Number = T;
  const T *a, *b;
  std::size_t width;
  int period;
  bool wide() const { return aligned({a}); }
  template <int V>
  __device__ __forceinline__ T run(const Place& at) const {
    const auto av = load<V>(a + at.row * width + at.e);
    T sum = 0;
#pragma unroll
    for (int i = 0; i < V; ++i) sum += av.x[i] * __ldg(b + (at.node + i) % period);
    return sum;
  }
  __device__ void gap(int, int) const {}
};

template <class T>
void multiply_pull(Device& device, const Rows& rows, const T* a, const Geometry& out, T* u,
                   const Geometry& in, const T* factor, T constant, int period, bool accumulate,
                   const char* name) {
  const bool alike = same(out, in);
  const std::size_t m = out.size();
  const std::size_t n = in.size();
  if (!accumulate && !alike) device.zero(u, rows.count * n * sizeof(T));
  if (accumulate) {
    over_rows(device,
              Multiply<T, true>{a, u, m, n, factor, nullptr, constant, period, false, false}, rows,
              out, in, name);
  } else {
    over_rows(device,
              Multiply<T, false>{a, u, m, n, factor, nullptr, constant, period, false, alike}, rows,
              out, in, name);
  }
}

// One thread an element of a row; what an element needs lies in lists that all rows share.
template <class Fn>
__global__ void each_of_rows_kernel(int n, const Fn fn) {
  for (int i = static_cast<int>(blockIdx.y * blockDim.x + threadIdx.x); i < n;
       i += static_cast<int>(gridDim.y * blockDim.x)) {
    fn(static_cast<std::size_t>(blockIdx.x), i);
  }
}
template <class Fn>
void each_of_rows(Device& device, int count, int n, const Fn& fn, const char* name) {
  if (count == 0 || n == 0) return;
  const int threads = n >= 256 ? 256 : (n + 31) / 32 * 32;
  const dim3 grid(static_cast<unsigned>(count),
                  static_cast<unsigned>(std::min((n + threads - 1) / threads, 65535)));
  each_of_rows_kernel<<<grid, threads, 0, device.stream()>>>(n, fn);
  check(cudaGetLastError(), name, __FILE__, __LINE__);
}

/// u_j (+)= sum over the list of j of a[at] value (value null: 1), the chain starting from u or
/// from start_j or 0.
template <class T>
struct Gather {
  const T* a;
  std::size_t a_width;
  T* u;
  std::size_t u_width;
  const int *first, *at;
  const T *value, *start;
  bool accumulate;
  __device__ void operator()(std::size_t r, int j) const {
    T* const to = u + r * u_width + j;
    const T* const from = a + r * a_width;
    T sum = accumulate ? *to : start != nullptr ? __ldg(start + j) : T(0);
    const int end = __ldg(first + j + 1);
    for (int i = __ldg(first + j); i < end; ++i) {
      const T x = from[__ldg(at + i)];
      sum += value == nullptr ? x : x * __ldg(value + i);
    }
    *to = sum;
  }
};

template <class T>
struct PushSelect {
  const T* x;
  std::size_t x_width;
  T* y;
  std::size_t y_width;
  const int* from;
  const T* constant;
  bool first;
  __device__ void operator()(std::size_t r, int i) const {
    T* const to = y + r * y_width + i;
    T sum = !first ? *to : constant != nullptr ? __ldg(constant + i) : T(0);
    const int at = __ldg(from + i);
    if (at >= 0) sum += x[r * x_width + at];
    *to = sum;
  }
};

template <class T>
struct AddToRows {
  const T* b;
  T* y;
  std::size_t width;
  __device__ void operator()(std::size_t r, int i) const { y[r * width + i] += __ldg(b + i); }
};

}  // namespace

template <class T>
DeviceScale<T>::DeviceScale(Device& device, const Scale& op)
    : period_(static_cast<int>(op.scale.size())),
      scale_(numbers<T>(device, op.scale, "the factors of a Scale")),
      shift_(numbers<T>(device, op.shift, "the shifts of a Scale")) {}

template <class T>
void DeviceScale<T>::pull(Device& device, const Rows& rows, const T* a, const Geometry& out, T* u,
                          const Geometry& in, bool accumulate) const {
  multiply_pull(device, rows, a, out, u, in, scale_.data(), T(0), period_, accumulate,
                "launch of Scale's pull");
}

template <class T>
void DeviceScale<T>::push(Device& device, const Rows& rows, const T* x, const Geometry& in, T* y,
                          const Geometry& out) const {
  over_rows(device,
            Multiply<T, false>{x, y, static_cast<std::size_t>(in.size()),
                               static_cast<std::size_t>(out.size()), scale_.data(), shift_.data(),
                               T(0), period_, true, true},
            rows, out, in, "launch of Scale's push");
}

template <class T>
void DeviceScale<T>::bias(Device& device, const Rows& rows, const T* a, const Geometry& out,
                          double* bias) const {
  periodic_bias(device, rows, out, a, shift_.data(), period_, bias);
}

template <class T>
void DeviceSum<T>::pull(Device& device, const Rows& rows, const T* a, const Geometry& out, int k,
                        T* u, const Geometry& in, bool accumulate) const {
  multiply_pull<T>(device, rows, a, out, u, in, nullptr, coefficient_[k], 1, accumulate,
                   "launch of Sum's pull");
}

template <class T>
void DeviceSum<T>::push(Device& device, const Rows& rows, const T* const* x,
                        const Geometry* const* in, T* y, const Geometry& out) const {
  for (std::size_t k = 0; k < coefficient_.size(); ++k) {
    const std::size_t m = in[k]->size();
    const std::size_t n = out.size();
    const T c = coefficient_[k];
    if (k == 0) {
      over_rows(device, Multiply<T, false>{x[k], y, m, n, nullptr, nullptr, c, 1, true, true}, rows,
                out, *in[k], "launch of Sum's push");
    } else {
      over_rows(device, Multiply<T, true>{x[k], y, m, n, nullptr, nullptr, c, 1, true, false}, rows,
                out, *in[k], "launch of Sum's push");
    }
  }
}

template <class T>
DeviceSelect<T>::DeviceSelect(Device& device, const Select& op, const std::vector<int>& sizes)
    : size_(static_cast<int>(op.index.size())),
      constant_(numbers<T>(device, op.constant, "the constants of a Select")) {
  int offset = 0;
  for (const int size : sizes) {
    std::vector<int> from(op.index.size(), -1);
    std::vector<int> first(static_cast<std::size_t>(size) + 1, 0);
    for (int i = 0; i < size_; ++i) {
      const int j = op.index[i] - offset;
      if (op.index[i] < 0 || j < 0 || j >= size) continue;
      from[i] = j;
      ++first[j + 1];
    }
    for (int j = 0; j < size; ++j) first[j + 1] += first[j];
    std::vector<int> to(first[size]);
    std::vector<int> next(first.begin(), first.end() - 1);
    for (int i = 0; i < size_; ++i) {
      if (from[i] >= 0) to[next[from[i]]++] = i;
    }
    Input input;
    input.size = size;
    input.first = device.upload(first, Tensor::kWeights, "the index of a Select");
    input.to = device.upload(to, Tensor::kWeights, "the index of a Select");
    input.from = device.upload(from, Tensor::kWeights, "the index of a Select");
    inputs_.push_back(std::move(input));
    offset += size;
  }
}

template <class T>
void DeviceSelect<T>::pull(Device& device, int count, const T* a, int k, T* u,
                           bool accumulate) const {
  const Input& in = inputs_[k];
  each_of_rows(device, count, in.size,
               Gather<T>{a, static_cast<std::size_t>(size_), u, static_cast<std::size_t>(in.size),
                         in.first.data(), in.to.data(), nullptr, nullptr, accumulate},
               "launch of Select's pull");
}

template <class T>
void DeviceSelect<T>::push(Device& device, int count, const T* const* x, T* y) const {
  for (std::size_t k = 0; k < inputs_.size(); ++k) {
    each_of_rows(device, count, size_,
                 PushSelect<T>{x[k], static_cast<std::size_t>(inputs_[k].size), y,
                               static_cast<std::size_t>(size_), inputs_[k].from.data(),
                               constant_.data(), k == 0},
                 "launch of Select's push");
  }
}

template <class T>
void DeviceSelect<T>::bias(Device& device, int count, const T* a, double* bias) const {
  if (constant_.empty()) return;
  periodic_bias(device, Rows{count}, flat(size_), a, constant_.data(), size_, bias);
}

template <class T>
DeviceSparse<T>::DeviceSparse(Device& device, const Sparse& op, int in)
    : in_(in),
      out_(static_cast<int>(op.bias.size())),
      bias_(numbers<T>(device, op.bias, "the bias of a Sparse")) {
  const std::size_t entries = op.value.size();
  if (entries > static_cast<std::size_t>(std::numeric_limits<int>::max())) {
    throw Error(ErrorKind::kUnsupported, "Sparse on the device: " + std::to_string(entries) +
                                             " entries are too many. Take the CPU.");
  }
  const std::vector<int> first(op.row.begin(), op.row.end());
  std::vector<int> column_first(static_cast<std::size_t>(in) + 1, 0);
  for (const int c : op.column) ++column_first[c + 1];
  for (int j = 0; j < in; ++j) column_first[j + 1] += column_first[j];
  std::vector<int> next(column_first.begin(), column_first.end() - 1);
  std::vector<int> at(entries);
  std::vector<double> value(entries);
  for (int i = 0; i < out_; ++i) {
    for (int e = first[i]; e < first[i + 1]; ++e) {
      const int to = next[op.column[e]]++;
      at[to] = i;
      value[to] = op.value[e];
    }
  }
  const char* const what = "the matrix of a Sparse";
  rows_.first = device.upload(first, Tensor::kWeights, what);
  rows_.at = device.upload(op.column, Tensor::kWeights, what);
  rows_.value = numbers<T>(device, op.value, what);
  columns_.first = device.upload(column_first, Tensor::kWeights, what);
  columns_.at = device.upload(at, Tensor::kWeights, what);
  columns_.value = numbers<T>(device, value, what);
}

template <class T>
void DeviceSparse<T>::pull(Device& device, int count, const T* a, T* u, bool accumulate) const {
  each_of_rows(device, count, in_,
               Gather<T>{a, static_cast<std::size_t>(out_), u, static_cast<std::size_t>(in_),
                         columns_.first.data(), columns_.at.data(), columns_.value.data(), nullptr,
                         accumulate},
               "launch of Sparse's pull");
}

template <class T>
void DeviceSparse<T>::push(Device& device, int count, const T* x, T* y) const {
  each_of_rows(
      device, count, out_,
      Gather<T>{x, static_cast<std::size_t>(in_), y, static_cast<std::size_t>(out_),
                rows_.first.data(), rows_.at.data(), rows_.value.data(), bias_.data(), false},
      "launch of Sparse's push");
}

template <class T>
void DeviceSparse<T>::bias(Device& device, int count, const T* a, double* bias) const {
  periodic_bias(device, Rows{count}, flat(out_), a, bias_.data(), out_, bias);
}

template <class T>
void periodic_bias(Device& device, const Rows& rows, const Geometry& g, const T* a, const T* b,
                   int period, double* bias) {
  sum_over_rows(device, PeriodicDot<T>{a, b, static_cast<std::size_t>(g.size()), period}, rows, g,
                g, AddTo{bias}, "launch of periodic_bias");
}

template <class T>
void add_to_rows(Device& device, int count, int n, const T* b, T* y) {
  each_of_rows(device, count, n, AddToRows<T>{b, y, static_cast<std::size_t>(n)},
               "launch of add_to_rows");
}

#define CORONET_INSTANTIATE(T)                                                                \
  template class DeviceScale<T>;                                                              \
  template class DeviceSum<T>;                                                                \
  template class DeviceSelect<T>;                                                             \
  template class DeviceSparse<T>;                                                             \
  template void periodic_bias(Device&, const Rows&, const Geometry&, const T*, const T*, int, \
                              double*);                                                       \
  template void add_to_rows(Device&, int, int, const T*, T*);
CORONET_INSTANTIATE(float)
CORONET_INSTANTIATE(double)
#undef CORONET_INSTANTIATE

}  // namespace coronet::cuda
