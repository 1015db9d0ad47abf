// A weight as an operand of products, and its rows by tiles: they lie on the device, or come from
// the host while they are used.
#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <limits>
#include <memory>
#include <vector>

#include "cuda/device.h"
#include "cuda/part.h"

namespace coronet::cuda {

/// What takes tiles, in order; w: [count, cols] on the device, until it returns.
template <class T>
using TileFn = std::function<void(const T* w, int first, int count)>;

/// Rows [first, last) of a matrix.
struct RowRange {
  int first = 0;
  int last = std::numeric_limits<int>::max();
};

/// A matrix that comes to the device in tiles of its own, each time anew: those that have any of
/// the rows asked for.
class TileSource {
 public:
  virtual ~TileSource() = default;
  virtual void for_each_tile(const TileFn<float>& fn, RowRange rows) = 0;
  virtual void for_each_tile(const TileFn<double>& fn, RowRange rows) = 0;
};

/// One of which parts come that way too.
class PartedTiles : public TileSource {
 public:
  /// The tiles of a part; they refer to this.
  [[nodiscard]] virtual std::unique_ptr<TileSource> part(const Part& part) = 0;
};

/// A row-major [rows, cols] weight as the operand B: itself (K = rows, N = cols), or transposed
/// (K = cols, N = rows).
struct Matrix {
  const float* f = nullptr;   ///< null where the rows come from `tiles`
  const double* d = nullptr;  ///< null where float32 holds it exactly, or as above
  int rows = 0;
  int cols = 0;
  bool transposed = false;
  bool wide = false;            ///< float32 does not hold it exactly
  TileSource* tiles = nullptr;  ///< not null: all rows come from here

  [[nodiscard]] int k() const { return transposed ? cols : rows; }
  [[nodiscard]] int n() const { return transposed ? rows : cols; }
};

/// Tiles that are not on the device as they are needed, be it in double or at all, have an eighth
/// of the matrix's bytes as doubles, but so many at most (or a single row that is longer): their
/// rows depend on the matrix's shape only.
inline constexpr std::size_t kTileBytes = std::size_t{32} << 20;
inline int tile_rows(int rows, int cols) {
  const std::size_t fit = kTileBytes / sizeof(double) / static_cast<std::size_t>(cols);
  const auto eighth = static_cast<std::size_t>((rows + 7) / 8);
  return static_cast<int>(std::max<std::size_t>(1, std::min(eighth, fit)));
}

/// fn for tiles of rows in order, but for some that have none of the rows asked for. All of it is
/// one tile where it lies there as numbers of T.
template <class T>
void for_each_tile(Device& device, const Matrix& matrix, const TileFn<T>& fn, RowRange rows = {});

}  // namespace coronet::cuda
