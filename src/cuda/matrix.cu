#include "cuda/matrix.h"

#include <algorithm>
#include <type_traits>

#include "cuda/moves.h"

namespace coronet::cuda {

template <class T>
void for_each_tile(Device& device, const Matrix& m, const TileFn<T>& fn, RowRange rows) {
  if (m.tiles != nullptr) return m.tiles->for_each_tile(fn, rows);
  if constexpr (std::is_same_v<T, float>) {
    fn(m.f, 0, m.rows);
  } else {
    if (m.d != nullptr) return fn(m.d, 0, m.rows);
    const int most = tile_rows(m.rows, m.cols);
    const Buffer<T> w = device.take<T>(static_cast<std::size_t>(most) * m.cols, Tensor::kWorkspace,
                                       "a tile of a weight");
    for (int first = 0; first < m.rows; first += most) {
      const int count = std::min(most, m.rows - first);
      if (first >= rows.last || first + count <= rows.first) continue;
      convert(device, static_cast<std::size_t>(count) * m.cols,
              m.f + static_cast<std::size_t>(first) * m.cols, w.data());
      fn(w.data(), first, count);
    }
  }
}
template void for_each_tile(Device&, const Matrix&, const TileFn<float>&, RowRange);
template void for_each_tile(Device&, const Matrix&, const TileFn<double>&, RowRange);

}  // namespace coronet::cuda
