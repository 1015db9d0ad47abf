// The ranks that hold a network together, each a share of every node's neurons.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/aligned.h"
#include "comm/communicator.h"

namespace coronet::bound {

/// What they tell each other while they bound rows in step. All call the same in the same order,
/// and throw as comm::Communicator does. For one thread; ranks that work in several threads have a
/// group for each.
class TensorGroup {
 public:
  /// Rows are passed on in blocks of about so many bytes of whole nodes: that much is held beside
  /// the shares, a few times.
  static constexpr std::size_t kBlockBytes = std::size_t{1} << 18;

  explicit TensorGroup(comm::Communicator group, std::size_t block_bytes = kBlockBytes)
      : group_(std::move(group)), block_bytes_(block_bytes) {}

  [[nodiscard]] int rank() const { return group_.rank(); }
  [[nodiscard]] int size() const { return group_.size(); }
  /// Seconds spent in these calls, those in which a rank waited for another among them.
  [[nodiscard]] double seconds() const { return seconds_; }
  /// Bytes of numbers that this rank told the others.
  [[nodiscard]] std::uint64_t told_bytes() const { return told_bytes_; }
  /// How often they formed a sum or gathered something.
  [[nodiscard]] std::uint64_t collectives() const { return collectives_; }
  /// Of the rooms.
  [[nodiscard]] std::size_t bytes() const;
  /// So many at least go through a dense weight at once: fewer would waste what it takes to bring
  /// the weight into the kernels' order.
  static constexpr int kLeastRows = 32;
  /// Rows of so many bytes that are passed on at once, `least` of them or more.
  [[nodiscard]] int block_rows(std::size_t row_bytes, int least) const;

  /// Everybody's values become their sums, formed rank by rank. T: float or double.
  template <class T>
  void sum(std::span<T> values);
  /// Rank 0's word.
  bool agree(bool mine);
  /// The least of all ranks' numbers.
  std::int64_t least(std::int64_t mine);

  /// This rank told the others so many bytes by other ways, in what is one more of these calls, and
  /// waited so long.
  void met(std::size_t bytes, double seconds) {
    seconds_ += seconds;
    count(bytes);
  }

  /// The ranks of this group as a new one, for what they have to say beside it.
  [[nodiscard]] comm::Communicator ranks() { return group_.split(0, group_.rank()); }

  /// whole[p] = the ranks' share[p] side by side, for each of `places` pixels; a share has `each`
  /// channels of it. In two halves, between which a rank may begin others: they end in the order in
  /// which they began. The share may not change before the end.
  template <class T>
  void begin_gather(std::size_t places, int each, const T* share);
  template <class T>
  void end_gather(std::size_t places, int each, const T* share, T* whole);
  template <class T>
  void gather(std::size_t places, int each, const T* share, T* whole) {
    begin_gather(places, each, share);
    end_gather(places, each, share, whole);
  }
  /// share[p] = or += this rank's channels of the sum of the ranks' whole[p], which may change
  /// before the end. kAhead of them are on their way at most.
  template <class T>
  void begin_scatter_sum(std::size_t places, int each, const T* whole);
  template <class T>
  void end_scatter_sum(std::size_t places, int each, T* share, bool accumulate);
  static constexpr int kAhead = 2;

  /// Room for n numbers of T, for the caller until it asks again for the same number or leaves the
  /// group to others; number: from 0 up.
  template <class T>
  T* room(int number, std::size_t n);

 private:
  template <class T>
  using Rooms = std::vector<AlignedVector<T>>;
  template <class T>
  T* own_room(int number, std::size_t n);
  /// A collective in which this rank tells so many bytes to all others together.
  void count(std::size_t bytes) {
    told_bytes_ += bytes;
    ++collectives_;
  }

  comm::Communicator group_;
  std::size_t block_bytes_;
  double seconds_ = 0;
  std::uint64_t told_bytes_ = 0;
  std::uint64_t collectives_ = 0;
  unsigned sums_begun_ = 0;
  unsigned sums_ended_ = 0;
  Rooms<float> rooms32_;
  Rooms<double> rooms64_;
};

}  // namespace coronet::bound
