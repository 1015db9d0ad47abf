#include "cuda/matrix.h"

#include <algorithm>
#include <type_traits>

#include "cuda/each.cuh"

namespace coronet::cuda {

namespace {

struct Widen {
  const float* from;
  double* to;
  __device__ void operator()(std::size_t i) const { to[i] = from[i]; }
};

}  // namespace

template <class T>
void for_each_tile(Device& device, const Matrix& m, const TileFn<T>& fn, RowRange rows) {
  if (m.tiles != nullptr) return m.tiles->for_each_tile(fn, rows);
  constexpr bool kDouble = std::is_same_v<T, double>;
  if constexpr (kDouble) {
    if (m.d != nullptr) return fn(m.d, 0, m.rows);
  } else {
    if (m.f != nullptr) return fn(m.f, 0, m.rows);
  }
  const int most = tile_rows(m.rows, m.cols);
  const std::size_t tile = static_cast<std::size_t>(most) * m.cols;
  const Buffer<T> w = device.take<T>(tile, Tensor::kWorkspace, "a tile of a weight");
  const bool widens = kDouble && !m.wide;
  Buffer<float> narrow;
  if (widens && m.f == nullptr) {
    narrow = device.take<float>(tile, Tensor::kWorkspace, "a tile of a weight");
  }
  for (int first = 0; first < m.rows; first += most) {
    const int count = std::min(most, m.rows - first);
    if (first >= rows.last || first + count <= rows.first) continue;
    const std::size_t size = static_cast<std::size_t>(count) * m.cols;
    if (!widens) {
      m.source->read(first, count, w.data());
    } else if constexpr (kDouble) {
      const float* from = narrow.data();
      if (m.f != nullptr) {
        from = m.f + static_cast<std::size_t>(first) * m.cols;
      } else {
        m.source->read(first, count, narrow.data());
      }
      each(device, size, Widen{from, w.data()}, "launch of widen");
    }
    fn(w.data(), first, count);
  }
}
template void for_each_tile(Device&, const Matrix&, const TileFn<float>&, RowRange);
template void for_each_tile(Device&, const Matrix&, const TileFn<double>&, RowRange);

}  // namespace coronet::cuda
