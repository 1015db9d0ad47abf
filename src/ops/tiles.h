// A weight read tile by tile, wherever it is: blocks of rows, of a size that depends on nothing but
// the weight, the next one on its way while the present one is used.
#pragma once

#include <algorithm>
#include <cstddef>
#include <deque>
#include <memory>
#include <span>

#include "ops/weight.h"

namespace coronet {

/// Rows [first, last) of a matrix, row-major and dense; exactly one of the pointers, to row
/// `first`, is not null.
struct WeightRows {
  const float* f = nullptr;
  const double* d = nullptr;
  int first = 0;
  int last = 0;

  [[nodiscard]] int count() const { return last - first; }
  /// fn(pointer to row `first`), of float or double.
  template <class Fn>
  decltype(auto) visit(const Fn& fn) const {
    return f != nullptr ? fn(f) : fn(d);
  }
};

/// Bytes of a tile; of one row, where that is more.
inline constexpr std::size_t kTileBytes = std::size_t{2} << 20;

/// The rows [first, last) of a weight of `width` columns, ascending: in one tile where the weight
/// is here. Two tiles are on their way or in use, no more. Refers to the weight.
class Tiles {
 public:
  Tiles(const Weight& weight, int width, int first, int last);

  /// The next tile, valid until the next call; false after the last one. Throws as Fetch::wait().
  bool next(WeightRows& rows);

 private:
  [[nodiscard]] int end_of_next() const;
  void begin_next();

  const Weight& weight_;
  int width_;
  int next_;  // first row of the next tile
  int last_;
  std::unique_ptr<Fetch> present_;
  std::unique_ptr<Fetch> coming_;
};

/// The rows of a list, in its order, each as part of a run of rows that follow one another.
class RowPicker {
 public:
  RowPicker(const Weight& weight, int width, std::span<const int> row);

  /// The run that holds the next rows of the list; false after the last one.
  bool next(WeightRows& rows);

 private:
  struct Run {
    int first;
    int last;
    std::unique_ptr<Fetch> fetch;
  };

  void ask();

  const Weight& weight_;
  int width_;
  std::span<const int> left_;  // not asked for yet
  std::size_t rows_asked_ = 0;
  std::deque<Run> runs_;
  bool in_use_ = false;  // the first of them
};

/// fn(WeightRows) for the tiles of rows [first, last), ascending.
template <class Fn>
void for_each_tile(const Weight& weight, int width, int first, int last, const Fn& fn) {
  Tiles tiles(weight, width, first, last);
  WeightRows rows;
  while (tiles.next(rows)) fn(rows);
}
/// The same for all rows of a matrix of so many.
template <class Fn>
void for_each_tile(const Weight& weight, int rows, const Fn& fn) {
  const int width = rows > 0 ? static_cast<int>(weight.size() / static_cast<std::size_t>(rows)) : 0;
  for_each_tile(weight, width, 0, rows, fn);
}

/// fn(i, pointer to row row[i]) for all i, ascending. Rows that follow one another are brought
/// together, and what comes next is on its way while the present ones are used.
template <class Fn>
void pick_rows(const Weight& weight, int width, std::span<const int> row, const Fn& fn) {
  RowPicker picker(weight, width, row);
  WeightRows rows;
  for (std::size_t i = 0; picker.next(rows);) {
    rows.visit([&](const auto* numbers) {
      for (; i < row.size() && rows.first <= row[i] && row[i] < rows.last; ++i) {
        fn(static_cast<int>(i), numbers + static_cast<std::size_t>(row[i] - rows.first) *
                                              static_cast<std::size_t>(width));
      }
    });
  }
}

/// Pieces of at most kPieceBytes, in order, of a weight as a list of numbers: fn(pointer to float
/// or double, count). For passes over a whole weight that no two tiles of need be there for.
inline constexpr std::size_t kPieceBytes = std::size_t{4} << 20;
template <class Fn>
void for_each_piece(const Weight& weight, const Fn& fn) {
  const bool single = weight.single();
  const std::size_t most =
      weight.here() ? weight.size() : kPieceBytes / (single ? sizeof(float) : sizeof(double));
  for (std::size_t first = 0; first < weight.size(); first += most) {
    const std::size_t count = std::min(most, weight.size() - first);
    std::unique_ptr<Fetch> fetch;
    const void* numbers = single ? static_cast<const void*>(weight.f.data())
                                 : static_cast<const void*>(weight.d.data());
    if (!weight.here()) {
      fetch = weight.source->fetch(first, count);
      numbers = fetch->wait();
    }
    if (single) {
      fn(static_cast<const float*>(numbers), count);
    } else {
      fn(static_cast<const double*>(numbers), count);
    }
  }
}

/// A copy that is here. Throws as Fetch::wait().
Weight gathered(const Weight& weight);

}  // namespace coronet
