#include "ops/tiles.h"

#include <algorithm>
#include <type_traits>
#include <utility>

namespace coronet {

namespace {

/// `at`: where row `first` stands among the numbers.
WeightRows rows_at(const void* numbers, bool single, std::size_t at, int first, int last) {
  WeightRows rows;
  rows.first = first;
  rows.last = last;
  if (single) {
    rows.f = static_cast<const float*>(numbers) + at;
  } else {
    rows.d = static_cast<const double*>(numbers) + at;
  }
  return rows;
}

WeightRows rows_here(const Weight& weight, int width, int first, int last) {
  const std::size_t at = static_cast<std::size_t>(first) * static_cast<std::size_t>(width);
  return weight.single() ? rows_at(weight.f.data(), true, at, first, last)
                         : rows_at(weight.d.data(), false, at, first, last);
}

std::size_t rows_of_a_tile(const Weight& weight, int width) {
  const std::size_t row =
      static_cast<std::size_t>(width) * (weight.single() ? sizeof(float) : sizeof(double));
  return std::max<std::size_t>(1, kTileBytes / std::max<std::size_t>(1, row));
}

}  // namespace

Tiles::Tiles(const Weight& weight, int width, int first, int last)
    : weight_(weight), width_(width), next_(first), last_(last) {
  if (!weight.here()) begin_next();
}

int Tiles::end_of_next() const {
  if (weight_.here()) return last_;
  const std::size_t end = static_cast<std::size_t>(next_) + rows_of_a_tile(weight_, width_);
  return static_cast<int>(std::min(end, static_cast<std::size_t>(last_)));
}

void Tiles::begin_next() {
  if (next_ >= last_) return;
  const auto width = static_cast<std::size_t>(width_);
  coming_ = weight_.source->fetch(static_cast<std::size_t>(next_) * width,
                                  static_cast<std::size_t>(end_of_next() - next_) * width);
}

bool Tiles::next(WeightRows& rows) {
  present_.reset();
  if (next_ >= last_) return false;
  const int first = std::exchange(next_, end_of_next());
  if (weight_.here()) {
    rows = rows_here(weight_, width_, first, next_);
    return true;
  }
  present_ = std::move(coming_);
  begin_next();
  rows = rows_at(present_->wait(), weight_.single(), 0, first, next_);
  return true;
}

RowPicker::RowPicker(const Weight& weight, int width, std::span<const int> row)
    : weight_(weight), width_(width), left_(row) {
  if (!weight.here()) ask();
}

/// Up to a tile's worth of rows, and as many questions, are under way.
void RowPicker::ask() {
  constexpr std::size_t kMostRuns = 64;
  const std::size_t most = rows_of_a_tile(weight_, width_);
  while (!left_.empty() && runs_.size() < kMostRuns && (runs_.empty() || rows_asked_ < most)) {
    const int first = left_.front();
    int last = first + 1;
    std::size_t taken = 1;
    // A row may be asked for twice in a row, once for each sign.
    while (taken < left_.size() && (left_[taken] == last - 1 || left_[taken] == last) &&
           static_cast<std::size_t>(last - first) < most) {
      last = left_[taken++] + 1;
    }
    left_ = left_.subspan(taken);
    rows_asked_ += static_cast<std::size_t>(last - first);
    const auto width = static_cast<std::size_t>(width_);
    runs_.push_back({first, last,
                     weight_.source->fetch(static_cast<std::size_t>(first) * width,
                                           static_cast<std::size_t>(last - first) * width)});
  }
}

bool RowPicker::next(WeightRows& rows) {
  if (weight_.here()) {
    if (left_.empty()) return false;
    const auto [least, most] = std::minmax_element(left_.begin(), left_.end());
    rows = rows_here(weight_, width_, *least, *most + 1);
    left_ = {};
    return true;
  }
  if (in_use_) {
    rows_asked_ -= static_cast<std::size_t>(runs_.front().last - runs_.front().first);
    runs_.pop_front();
  }
  ask();
  in_use_ = !runs_.empty();
  if (!in_use_) return false;
  const Run& run = runs_.front();
  rows = rows_at(run.fetch->wait(), weight_.single(), 0, run.first, run.last);
  return true;
}

Weight gathered(const Weight& weight) {
  if (weight.here()) return weight;
  Weight whole;
  (weight.single() ? whole.f.reserve(weight.size()) : whole.d.reserve(weight.size()));
  for_each_piece(weight, [&](const auto* numbers, std::size_t count) {
    if constexpr (std::is_same_v<decltype(numbers), const float*>) {
      whole.f.insert(whole.f.end(), numbers, numbers + count);
    } else {
      whole.d.insert(whole.d.end(), numbers, numbers + count);
    }
  });
  return whole;
}

}  // namespace coronet
