// A group of ranks and what they do together.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "comm/channel.h"

namespace coronet::comm {

enum class Reduction { kSum, kMin, kMax };

class Communicator;

/// A letter that is on its way.
class Request {
 public:
  /// Has it come? Throws as Channel::receive.
  bool test();
  /// Waits for it and gives it away; once.
  Letter wait();

 private:
  friend class Communicator;
  Request(const Communicator& group, int from, int tag, const char* what)
      : group_(&group), from_(from), tag_(tag), what_(what) {}

  const Communicator* group_;
  int from_;
  int tag_;
  const char* what_;
  std::optional<Letter> letter_;
};

/// All members call the same collectives in the same order. They throw as Channel::receive does,
/// and Error(kInternal) where members disagree about sizes. Sums are formed in the order of the
/// ranks: their bits are the same on every member, in every run and over every transport. Refers
/// to the channel. Collectives are for one thread of a rank; letters are for any.
class Communicator {
 public:
  /// The group of all ranks. `patience`: seconds that a rank waits for another one in a collective
  /// or a receive() before it fails all with kRank; a rank may be at work for long, so it is
  /// for ever unless one knows better.
  explicit Communicator(Channel& channel, double patience = kForever);

  [[nodiscard]] int rank() const { return rank_; }
  [[nodiscard]] int size() const { return static_cast<int>(members_.size()); }
  [[nodiscard]] Channel& channel() const { return *channel_; }

  /// The sub-group of the members that give the same colour, ordered by key, then by rank.
  [[nodiscard]] Communicator split(int colour, int key);

  /// A letter under a tag of the caller's choice, not negative; `what` names it in errors.
  void send(int to, int tag, const char* what, std::span<const std::byte> bytes) const;
  /// The next letter of the tag from a member, or from kAny; Letter::from is a rank of this group.
  [[nodiscard]] Letter receive(int from, int tag, const char* what) const;
  /// Nothing if none has come within `seconds`; whatever the group's patience, nobody fails then.
  [[nodiscard]] std::optional<Letter> receive(int from, int tag, const char* what,
                                              double seconds) const;
  /// The same, not waited for now; refers to this.
  [[nodiscard]] Request expect(int from, int tag, const char* what) const;

  void barrier();

  /// The root's bytes, on every member; what the others give is not looked at.
  [[nodiscard]] Bytes broadcast(Bytes bytes, int root);
  /// The same for arrays whose size all know.
  template <class T>
  void broadcast(std::span<T> values, int root) {
    const bool mine = rank_ == root;
    spread(mine ? as_bytes(std::span<const T>(values)) : std::span<const std::byte>(),
           std::as_writable_bytes(values), root);
  }

  /// all = the members' parts, one behind the other in the order of ranks; member r gives
  /// counts[r] values.
  template <class T>
  void all_gather(std::span<const T> mine, std::span<T> all, std::span<const std::size_t> counts) {
    gather(as_bytes(mine), std::as_writable_bytes(all), counts, sizeof(T));
  }
  /// The same for parts of one size.
  template <class T>
  void all_gather(std::span<const T> mine, std::span<T> all) {
    all_gather(mine, all, equal_parts(mine.size()));
  }
  /// Parts whose sizes only their members know: [members].
  [[nodiscard]] std::vector<Bytes> all_gather(const Bytes& mine);

  /// mine = part `rank` of the members' `all` reduced element by element, part r being counts[r]
  /// values. T: float, double or std::int64_t.
  template <class T>
  void reduce_scatter(std::span<const T> all, std::span<T> mine,
                      std::span<const std::size_t> counts, Reduction how);
  /// The halves of a collective in which every member tells each other one something, for those
  /// that have to do meanwhile. In the first one part(r) leaves for each other member r; what it
  /// refers to may change once the next one is asked for. Several may be on their way: all members
  /// begin them, and end them, in the same order.
  void begin_exchange(const std::function<std::span<const std::byte>(int member)>& part) const;
  /// [members] what came from each, of so many bytes; from itself: nothing.
  [[nodiscard]] std::vector<Bytes> end_exchange(std::size_t bytes) const;

  /// Every member's values become those of all, reduced element by element; T as above.
  template <class T>
  void all_reduce(std::span<T> values, Reduction how);

 private:
  friend class Request;

  /// The collectives' own tags are negative.
  enum Kind { kBroadcast = -1, kGather = -2, kScatter = -3, kBarrier = -4, kExchange = -5 };

  Communicator(const Communicator& parent, std::uint64_t group, std::vector<int> members, int rank);

  [[nodiscard]] int rank_of(int member_of_all) const;
  [[nodiscard]] std::vector<std::size_t> equal_parts(std::size_t each) const;
  void post(int to, int tag, const char* what, std::span<const std::byte> bytes) const;
  [[nodiscard]] Letter await(int from, int tag, const char* what) const;
  /// The letter of a collective, which must be so long.
  [[nodiscard]] Bytes await_exactly(int from, int tag, const char* what, std::size_t bytes) const;
  void spread(std::span<const std::byte> from, std::span<std::byte> to, int root);
  void gather(std::span<const std::byte> mine, std::span<std::byte> all,
              std::span<const std::size_t> counts, std::size_t each);

  Channel* channel_;
  double patience_;
  std::uint64_t group_ = 0;
  std::uint64_t splits_ = 0;  // how many sub-groups were made of this group
  std::vector<int> members_;  // [size] their ranks in the channel
  int rank_;
};

}  // namespace coronet::comm
