// How the ranks hold a part of a striped weight: each what its stripes have of the part's rows, in
// runs that are copied as they lie.
#pragma once

#include <cstddef>
#include <vector>

#include "cuda/striped.h"

namespace coronet::cuda {

/// Consecutive rows of the part, of one tile, that one rank has.
struct PackedRun {
  int rank = 0;
  int first = 0;  ///< in the part
  int count = 0;
  std::size_t from = 0;  ///< where in the rank's packed memory, in bytes
};

/// The same on every rank.
class PackedPart {
 public:
  /// Of a weight whose stripes are whole rows, the part has `rows` in that order, in tiles of
  /// `tile` of them, and of each row `row_bytes`. held[r]: bytes that rank r has packed so far;
  /// those of this part come behind them.
  PackedPart(const Striped& cut, const std::vector<int>& rows, std::size_t row_bytes, int tile,
             std::vector<std::size_t>& held);

  /// Those of a tile are runs()[first(tile)] .. runs()[first(tile + 1) - 1], in their order.
  [[nodiscard]] const std::vector<PackedRun>& runs() const { return runs_; }
  [[nodiscard]] std::size_t first(int tile) const { return first_[tile]; }

 private:
  std::vector<PackedRun> runs_;
  std::vector<std::size_t> first_;  // [tiles + 1]
};

}  // namespace coronet::cuda
