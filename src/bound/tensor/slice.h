// How the neurons of one node are dealt to the ranks of a tensor group.
#pragma once

#include <algorithm>

#include "ops/shape.h"

namespace coronet::bound {

/// By channels, in blocks of one size, rank 0 first: every rank has the same windows of the same
/// image, and all that depends on sizes is the same on all of them. The last blocks are filled up
/// with channels of nobody's, which read zeros and which nothing reads.
class Slice {
 public:
  Slice(const Shape& whole, int ranks, int rank)
      : whole_(whole), ranks_(ranks), rank_(rank), each_((whole.channels + ranks - 1) / ranks) {}

  /// Of a node that every rank has whole.
  static Slice everywhere(const Shape& whole) { return {whole, 1, 0}; }

  /// Has every rank all of it?
  [[nodiscard]] bool everywhere() const { return ranks_ == 1; }
  [[nodiscard]] const Shape& whole() const { return whole_; }
  /// This rank's share.
  [[nodiscard]] Shape mine() const { return {whole_.height, whole_.width, each_}; }
  /// All shares, filled up.
  [[nodiscard]] Shape padded() const { return {whole_.height, whole_.width, each_ * ranks_}; }
  [[nodiscard]] int pixels() const { return whole_.height * whole_.width; }
  /// Channels of a share.
  [[nodiscard]] int each() const { return each_; }

  /// Those of a share that are not there to fill it up.
  [[nodiscard]] int real_channels() const {
    return std::clamp(whole_.channels - rank_ * each_, 0, each_);
  }

  /// Does this rank have element j of the whole node?
  [[nodiscard]] bool has(int j) const { return j % whole_.channels / each_ == rank_; }
  /// Element j among this rank's; where it is another's, one of the same pixel.
  [[nodiscard]] int local(int j) const {
    const int c = has(j) ? j % whole_.channels - rank_ * each_ : 0;
    return j / whole_.channels * each_ + c;
  }
  /// Element j of the whole node among all shares.
  [[nodiscard]] int padded(int j) const {
    return j / whole_.channels * each_ * ranks_ + j % whole_.channels;
  }
  /// What this rank's element i is called in the whole node; -1: it is nobody's.
  [[nodiscard]] int whole_of(int i) const {
    const int c = rank_ * each_ + i % each_;
    return c < whole_.channels ? i / each_ * whole_.channels + c : -1;
  }

 private:
  Shape whole_;
  int ranks_;
  int rank_;
  int each_;
};

}  // namespace coronet::bound
