#include "cuda/packed.h"

namespace coronet::cuda {

namespace {

/// Copies are fast between addresses that are alike to so many bytes.
constexpr std::size_t kGrain = 256;

}  // namespace

PackedPart::PackedPart(const Striped& cut, const std::vector<int>& rows, std::size_t row_bytes,
                       int tile, std::vector<std::size_t>& held) {
  for (int i = 0; i < static_cast<int>(rows.size()); ++i) {
    if (i % tile == 0) first_.push_back(runs_.size());
    const int owner = cut.owner(rows[i]);
    std::size_t& end = held[owner];
    if (runs_.size() == first_.back() || runs_.back().rank != owner) {
      // As far into a grain as where it is copied to, behind the rows of the tile before it.
      const std::size_t to = static_cast<std::size_t>(i % tile) * row_bytes;
      end = (end + kGrain - 1) / kGrain * kGrain + to % kGrain;
      runs_.push_back({owner, i, 0, end});
    }
    ++runs_.back().count;
    end += row_bytes;
  }
  first_.push_back(runs_.size());
}

}  // namespace coronet::cuda
