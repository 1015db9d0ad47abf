#include "cuda/parts.h"

#include "cuda/each.cuh"

namespace coronet::cuda {

namespace {

template <class T>
struct Regroup {
  std::size_t outer, inner, each;
  const T* from;
  T* to;
  __device__ void operator()(std::size_t k) const {
    const std::size_t e = k % each;
    const std::size_t block = k / each;
    to[k] = from[(block % outer * inner + block / outer) * each + e];
  }
};

template <class T>
struct AddParts {
  std::size_t count;
  int ranks, own;
  const T* mine;
  const T* others;
  T* sum;
  bool accumulate;
  __device__ T part(int r, std::size_t i) const {
    return r == own ? mine[i] : others[static_cast<std::size_t>(r) * count + i];
  }
  __device__ void operator()(std::size_t i) const {
    T value = part(0, i);
    for (int r = 1; r < ranks; ++r) value += part(r, i);
    sum[i] = accumulate ? sum[i] + value : value;
  }
};

}  // namespace

template <class T>
void regroup(Device& device, std::size_t outer, std::size_t inner, std::size_t each_block,
             const T* from, T* to) {
  each(device, outer * inner * each_block, Regroup<T>{outer, inner, each_block, from, to},
       "launch of regroup");
}

template <class T>
void add_parts(Device& device, std::size_t count, int ranks, int own, const T* mine,
               const T* others, T* sum, bool accumulate) {
  each(device, count, AddParts<T>{count, ranks, own, mine, others, sum, accumulate},
       "launch of add_parts");
}

#define CORONET_PARTS(T)                                                               \
  template void regroup(Device&, std::size_t, std::size_t, std::size_t, const T*, T*); \
  template void add_parts(Device&, std::size_t, int, int, const T*, const T*, T*, bool);
CORONET_PARTS(float)
CORONET_PARTS(double)
#undef CORONET_PARTS

}  // namespace coronet::cuda
