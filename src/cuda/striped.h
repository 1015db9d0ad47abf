// How a weight that comes to devices by tiles is cut: into tiles of rows, and each of those into a
// stripe for every rank, so that ranks which are at the same tile read evenly from all of them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>

namespace coronet::cuda {

/// A tile has an eighth of the rows, but at least and at most so many bytes as they come; a
/// multiple of 32 rows, if there are so many. Its size decides the order of sums, so it depends on
/// the weight's shape only. The largest is long enough for its products to be limited by
/// arithmetic: 512 rows of 32768 float32.
inline constexpr std::size_t kLeastTileBytes = std::size_t{1} << 20;
inline constexpr std::size_t kMostTileBytes = std::size_t{64} << 20;

inline constexpr std::size_t kTileRound = 32;

class Striped {
 public:
  /// Of a weight [rows, cols] of numbers of `each` bytes, over so many ranks; cols > 0.
  Striped(int rows, int cols, std::size_t each, int ranks)
      : rows_(rows), row_bytes_(static_cast<std::size_t>(cols) * each), ranks_(ranks) {
    const auto eighth = static_cast<std::size_t>((rows + 7) / 8);
    std::size_t tile = std::clamp(eighth, kLeastTileBytes / row_bytes_,
                                  std::max<std::size_t>(1, kMostTileBytes / row_bytes_));
    if (tile > kTileRound) tile = tile / kTileRound * kTileRound;
    tile_ = static_cast<int>(std::clamp<std::size_t>(tile, 1, std::max(1, rows)));
  }

  [[nodiscard]] int tiles() const { return (rows_ + tile_ - 1) / tile_; }
  /// The first row of a tile, and how many it has.
  [[nodiscard]] int first(int tile) const { return tile * tile_; }
  [[nodiscard]] int count(int tile) const { return std::min(tile_, rows_ - first(tile)); }
  [[nodiscard]] int tile_of(int row) const { return row / tile_; }
  /// Where it begins in the weight, how long it is, and the longest, in bytes.
  [[nodiscard]] std::size_t begin(int tile) const {
    return static_cast<std::size_t>(first(tile)) * row_bytes_;
  }
  [[nodiscard]] std::size_t bytes(int tile) const {
    return static_cast<std::size_t>(count(tile)) * row_bytes_;
  }
  [[nodiscard]] std::size_t most_bytes() const {
    return static_cast<std::size_t>(tile_) * row_bytes_;
  }

  /// Rows of a tile of a part of the weight, [rows, cols]: about as many bytes as those of all of
  /// it.
  [[nodiscard]] int part_tile(std::size_t rows, std::size_t cols, std::size_t each) const {
    std::size_t tile = most_bytes() / (std::max<std::size_t>(1, cols) * each);
    if (tile > kTileRound) tile = tile / kTileRound * kTileRound;
    return static_cast<int>(std::clamp<std::size_t>(tile, 1, std::max<std::size_t>(1, rows)));
  }

  /// The longest tile's numbers, of `each` bytes here, in the other precision.
  [[nodiscard]] std::size_t converted_bytes(std::size_t each) const {
    return most_bytes() / each * (sizeof(float) + sizeof(double) - each);
  }

  /// The bytes [first, second) of a tile that a rank has: equal but for a grain: a row or
  /// kGrain bytes.
  [[nodiscard]] std::pair<std::size_t, std::size_t> stripe(int tile, int rank) const {
    const std::size_t all = bytes(tile);
    const std::size_t grain = whole_rows() ? row_bytes_ : kGrain;
    const std::size_t grains = (all + grain - 1) / grain;
    const auto at = [&](int r) {
      return std::min(
          all, grains * static_cast<std::size_t>(r) / static_cast<std::size_t>(ranks_) * grain);
    };
    return {at(rank), at(rank + 1)};
  }
  /// Where a rank's stripe of a tile begins among those that it has of this weight, each from whole
  /// grains on; of tiles(): their bytes.
  [[nodiscard]] std::size_t place(int tile, int rank) const {
    const auto room = [&](int t) {
      const auto [begin, end] = stripe(t, rank);
      return (end - begin + kGrain - 1) / kGrain * kGrain;
    };
    // All tiles but the last are alike.
    if (tile < tiles()) return tile * room(0);
    return tiles() == 0 ? 0 : (tiles() - 1) * room(0) + room(tiles() - 1);
  }

  /// Has every rank whole rows? Where each has many: an uneven one does not count then.
  [[nodiscard]] bool whole_rows() const {
    return static_cast<std::size_t>(tile_) >= kManyRows * ranks_;
  }
  /// The rank that has a row, where they are whole.
  [[nodiscard]] int owner(int row) const {
    const int t = tile_of(row);
    const std::size_t at = static_cast<std::size_t>(row - first(t)) * row_bytes_;
    int r = 0;
    while (stripe(t, r).second <= at) ++r;
    return r;
  }

 private:
  static constexpr std::size_t kManyRows = 50;  ///< one more is 2 %
  static constexpr std::size_t kGrain = 256;    ///< copies are fast between addresses of such
  int rows_;
  std::size_t row_bytes_;
  int ranks_;
  int tile_ = 1;
};

}  // namespace coronet::cuda
