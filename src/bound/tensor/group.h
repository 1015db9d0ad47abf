// The ranks that hold a network together, each a share of every node's neurons.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

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
      : rank_(group.rank()),
        size_(group.size()),
        group_(std::move(group)),
        block_bytes_(block_bytes) {}
  /// Rank `rank` of so many that are not there, for networks without numbers (counting.h): nothing
  /// is told or waited for, numbers stay as they are, rooms have sizes only; bytes and collectives
  /// are counted as those of ranks that are there.
  TensorGroup(int rank, int size) : rank_(rank), size_(size), block_bytes_(kBlockBytes) {}

  [[nodiscard]] int rank() const { return rank_; }
  [[nodiscard]] int size() const { return size_; }
  /// Seconds spent in these calls, those in which a rank waited for another among them.
  [[nodiscard]] double seconds() const { return seconds_; }
  /// Bytes of numbers that this rank told the others.
  [[nodiscard]] std::uint64_t told_bytes() const { return told_bytes_; }
  /// How often they formed a sum or gathered something.
  [[nodiscard]] std::uint64_t collectives() const { return collectives_; }
  /// Letters of this rank in these calls.
  [[nodiscard]] std::uint64_t letters() const { return letters_; }
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
    count(bytes, 1);
  }

  /// The ranks of this group as a new one, for what they have to say beside it.
  [[nodiscard]] comm::Communicator ranks() { return group_.value().split(0, rank_); }

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
  struct Room {
    AlignedVector<T> numbers;
    std::size_t size = 0;
  };
  template <class T>
  using Rooms = std::vector<Room<T>>;
  template <class T>
  T* own_room(int number, std::size_t n);
  /// Where this rank's terms of a sum wait; sum: how many began before it.
  template <class T>
  T* kept_room(std::uint64_t sum, std::size_t n);
  /// A collective in which this rank tells so many bytes to all others together, in so many letters
  /// to each.
  void count(std::size_t bytes, int letters) {
    told_bytes_ += bytes;
    letters_ += static_cast<std::uint64_t>(letters) * static_cast<std::uint64_t>(size_ - 1);
    ++collectives_;
  }

  int rank_;
  int size_;
  std::optional<comm::Communicator> group_;  // nothing: of ranks that are not there
  std::size_t block_bytes_;
  double seconds_ = 0;
  std::uint64_t told_bytes_ = 0;
  std::uint64_t collectives_ = 0;
  std::uint64_t letters_ = 0;
  unsigned sums_begun_ = 0;
  unsigned sums_ended_ = 0;
  Rooms<float> rooms32_;
  Rooms<double> rooms64_;
};

}  // namespace coronet::bound
