#include "cuda/matrix.h"

#include <algorithm>
#include <type_traits>

#include "cuda/moves.h"

namespace coronet::cuda {

int tile_rows(int rows, int cols) {
  const std::size_t fit = kTileBytes / sizeof(double) / std::max(1, cols);
  const auto eighth = static_cast<std::size_t>((rows + 7) / 8);
  return static_cast<int>(std::max<std::size_t>(1, std::min(eighth, fit)));
}

template <class T>
void for_each_tile(Device& device, const Matrix& m, const TileFn<T>& fn) {
  if (m.tiles != nullptr) return m.tiles->for_each_tile(fn);
  if constexpr (std::is_same_v<T, float>) {
    fn(m.f, 0, m.rows);
  } else {
    if (m.d != nullptr) return fn(m.d, 0, m.rows);
    const int most = tile_rows(m.rows, m.cols);
    const Buffer<T> w = device.take<T>(static_cast<std::size_t>(most) * m.cols, Tensor::kWorkspace,
                                       "a tile of a weight");
    for (int first = 0; first < m.rows; first += most) {
      const int count = std::min(most, m.rows - first);
      convert(device, static_cast<std::size_t>(count) * m.cols,
              m.f + static_cast<std::size_t>(first) * m.cols, w.data());
      fn(w.data(), first, count);
    }
  }
}
template void for_each_tile(Device&, const Matrix&, const TileFn<float>&);
template void for_each_tile(Device&, const Matrix&, const TileFn<double>&);

}  // namespace coronet::cuda
