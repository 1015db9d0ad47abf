#include "cuda/over_rows.cuh"
#include "cuda/splits.h"
#include "kernels/formulas.h"

namespace coronet::cuda {

namespace {

template <class Fn>
__global__ void each_kernel(int count, const Fn fn) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < count) fn(i);
}
template <class Fn>
void each(Device& device, int count, const Fn& fn, const char* name) {
  if (count == 0) return;
  each_kernel<<<(count + 127) / 128, 128, 0, device.stream()>>>(count, fn);
  check(cudaGetLastError(), name, __FILE__, __LINE__);
}

template <class T>
__device__ T* entry(const Splits<T>& splits, const Rows& rows, const Geometry& g, T* of, int i) {
  const int r = splits.row[i];
  if (r < 0) return nullptr;
  const int at = row_offset(g, rows, r, splits.neuron[i]);
  return at < 0 ? nullptr : of + static_cast<std::size_t>(r) * g.size() + at;
}

struct Renumber {
  const int* to;
  int* row;
  __device__ void operator()(int i) const {
    if (row[i] >= 0) row[i] = to[row[i]];
  }
};

template <class T>
struct SetAside {
  Splits<T> s;
  Rows rows;
  Geometry g;
  T* a;
  __device__ void operator()(int i) const {
    T* const at = entry(s, rows, g, a, i);
    s.aside[i] = at == nullptr ? T(0) : *at;
    if (at != nullptr) *at = 0;
  }
};

template <class T>
struct PutBack {
  Splits<T> s;
  Rows rows;
  Geometry g;
  T* a;
  __device__ void operator()(int i) const {
    T* const at = entry(s, rows, g, a, i);
    if (at != nullptr) *at = s.aside[i];
  }
};

template <class T>
struct Pull {
  Splits<T> s;
  Rows rows;
  Geometry out, in;
  T *a, *u;
  T floor;
  __device__ void operator()(int i) const {
    T* const at = entry(s, rows, out, a, i);
    if (at == nullptr) return;
    const T value = s.aside[i];
    *at = value;
    *entry(s, rows, in, u, i) += (s.sign[i] > 0 ? value : floor * value) - s.sign[i] * s.beta[i];
  }
};

template <class T>
struct Read {
  Splits<T> s;
  Rows rows;
  Geometry g;
  T* z;
  __device__ void operator()(int i) const {
    const T* const at = entry(s, rows, g, z, i);
    s.aside[i] = at == nullptr ? T(0) : *at;
  }
};

template <class T>
struct Push {
  Splits<T> s;
  Rows rows;
  Geometry g;
  T* to;
  T floor;
  bool steps;
  kernels::AdamStep<T> step;
  __device__ void operator()(int i) const {
    T* const at = entry(s, rows, g, to, i);
    if (at == nullptr) return;
    const T z = s.aside[i];
    *at = s.sign[i] > 0 ? z : floor * z;
    if (steps) kernels::step_beta(step, -s.sign[i] * z, s.beta[i], s.m[i], s.v[i]);
  }
};

}  // namespace

void renumber_rows(Device& device, int count, const int* to, int* row) {
  each(device, count, Renumber{to, row}, "launch of renumber_rows");
}

template <class T>
void set_aside(Device& device, const Rows& rows, const Geometry& g, T* a, const Splits<T>& splits) {
  each(device, splits.count, SetAside<T>{splits, rows, g, a}, "launch of set_aside");
}

template <class T>
void put_back(Device& device, const Rows& rows, const Geometry& g, T* a, const Splits<T>& splits) {
  each(device, splits.count, PutBack<T>{splits, rows, g, a}, "launch of put_back");
}

template <class T>
void pull_splits(Device& device, const Rows& rows, const Geometry& out, T* a, const Geometry& in,
                 T* u, T floor, const Splits<T>& splits) {
  each(device, splits.count, Pull<T>{splits, rows, out, in, a, u, floor}, "launch of pull_splits");
}

template <class T>
void read_splits(Device& device, const Rows& rows, const Geometry& in, const T* z,
                 const Splits<T>& splits) {
  each(device, splits.count, Read<T>{splits, rows, in, const_cast<T*>(z)}, "launch of read_splits");
}

template <class T>
void push_splits(Device& device, const Rows& rows, const Geometry& out, T* to, T floor,
                 const kernels::AdamStep<T>* step, const Splits<T>& splits) {
  const kernels::AdamStep<T> none;
  each(device, splits.count,
       Push<T>{splits, rows, out, to, floor, step != nullptr, step != nullptr ? *step : none},
       "launch of push_splits");
}

#define CORONET_INSTANTIATE(T)                                                                  \
  template void set_aside(Device&, const Rows&, const Geometry&, T*, const Splits<T>&);         \
  template void put_back(Device&, const Rows&, const Geometry&, T*, const Splits<T>&);          \
  template void pull_splits(Device&, const Rows&, const Geometry&, T*, const Geometry&, T*, T,  \
                            const Splits<T>&);                                                  \
  template void read_splits(Device&, const Rows&, const Geometry&, const T*, const Splits<T>&); \
  template void push_splits(Device&, const Rows&, const Geometry&, T*, T,                       \
                            const kernels::AdamStep<T>*, const Splits<T>&);
CORONET_INSTANTIATE(float)
CORONET_INSTANTIATE(double)
#undef CORONET_INSTANTIATE

}  // namespace coronet::cuda
