#include "bound/tensor/group.h"

#include <algorithm>
#include <type_traits>

#include "base/resources.h"

namespace coronet::bound {

namespace {

/// The first rooms are the group's own.
constexpr int kPacked = 0;
constexpr int kKept = 1;
constexpr int kOwnRooms = kKept + TensorGroup::kAhead;

/// What a letter brought.
template <class T>
T* numbers(comm::Bytes& letter) {
  return reinterpret_cast<T*>(letter.data());  // allocated for any type
}

class Timer {
 public:
  explicit Timer(double& seconds) : seconds_(seconds), begin_(elapsed_seconds()) {}
  ~Timer() { seconds_ += elapsed_seconds() - begin_; }
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

 private:
  double& seconds_;
  double begin_;
};

}  // namespace

int TensorGroup::block_rows(std::size_t row_bytes, int least) const {
  return std::max(static_cast<int>(block_bytes_ / std::max<std::size_t>(row_bytes, 1)), least);
}

std::size_t TensorGroup::bytes() const {
  std::size_t sum = 0;
  for (const auto& room : rooms32_) sum += room.size * sizeof(float);
  for (const auto& room : rooms64_) sum += room.size * sizeof(double);
  return sum;
}

template <class T>
void TensorGroup::sum(std::span<T> values) {
  const Timer timer(seconds_);
  if (group_) group_->all_reduce(values, comm::Reduction::kSum);
  // Of the others' parts my terms, to each of them; of mine the sum, to all.
  const auto ranks = static_cast<std::size_t>(size());
  const auto r = static_cast<std::size_t>(rank());
  const std::size_t part = values.size() * (r + 1) / ranks - values.size() * r / ranks;
  count((values.size() - part + (ranks - 1) * part) * sizeof(T), 2);
}

bool TensorGroup::agree(bool mine) {
  if (!group_) return mine;
  const Timer timer(seconds_);
  char word = mine ? 1 : 0;
  group_->broadcast(std::span<char>(&word, 1), 0);
  return word != 0;
}

std::int64_t TensorGroup::least(std::int64_t mine) {
  if (!group_) return mine;
  const Timer timer(seconds_);
  group_->all_reduce(std::span<std::int64_t>(&mine, 1), comm::Reduction::kMin);
  return mine;
}

template <class T>
void TensorGroup::begin_gather(std::size_t places, int each, const T* share) {
  const Timer timer(seconds_);
  const std::size_t mine = places * each;
  count((static_cast<std::size_t>(size()) - 1) * mine * sizeof(T), 1);
  if (!group_) return;
  group_->begin_exchange([&](int) { return std::as_bytes(std::span<const T>(share, mine)); });
}

template <class T>
void TensorGroup::end_gather(std::size_t places, int each, const T* share, T* whole) {
  const Timer timer(seconds_);
  const auto ranks = static_cast<std::size_t>(size());
  if (!group_) return;
  std::vector<comm::Bytes> parts = group_->end_exchange(places * each * sizeof(T));
  for (std::size_t r = 0; r < ranks; ++r) {
    const T* from = r == static_cast<std::size_t>(rank()) ? share : numbers<T>(parts[r]);
    for (std::size_t p = 0; p < places; ++p, from += each) {
      std::copy(from, from + each, whole + (p * ranks + r) * each);
    }
    parts[r] = {};
  }
}

template <class T>
void TensorGroup::begin_scatter_sum(std::size_t places, int each, const T* whole) {
  const Timer timer(seconds_);
  const auto ranks = static_cast<std::size_t>(size());
  const std::size_t mine = places * each;
  T* const kept = kept_room<T>(sums_begun_++, mine);
  T* const packed = own_room<T>(kPacked, mine);
  count((ranks - 1) * mine * sizeof(T), 1);
  if (!group_) return;
  const auto pack = [&](int r, T* to) {
    for (std::size_t p = 0; p < places; ++p, to += each) {
      const T* from = whole + (p * ranks + r) * each;
      std::copy(from, from + each, to);
    }
  };
  pack(rank(), kept);
  group_->begin_exchange([&](int r) {
    pack(r, packed);
    return std::as_bytes(std::span<const T>(packed, mine));
  });
}

template <class T>
void TensorGroup::end_scatter_sum(std::size_t places, int each, T* share, bool accumulate) {
  const Timer timer(seconds_);
  const std::size_t mine = places * each;
  T* const kept = kept_room<T>(sums_ended_++, mine);
  if (!group_) return;
  std::vector<comm::Bytes> parts = group_->end_exchange(mine * sizeof(T));
  const auto part = [&](int r) { return r == rank() ? kept : numbers<T>(parts[r]); };
  // In the order of the ranks, in the place of the first one's terms.
  T* const sums = part(0);
  for (int r = 1; r < size(); ++r) {
    const T* const terms = part(r);
    for (std::size_t i = 0; i < mine; ++i) sums[i] += terms[i];
  }
  if (accumulate) {
    for (std::size_t i = 0; i < mine; ++i) share[i] += sums[i];
  } else {
    std::copy(sums, sums + mine, share);
  }
}

template <class T>
T* TensorGroup::own_room(int number, std::size_t n) {
  auto& rooms = [this]() -> Rooms<T>& {
    if constexpr (std::is_same_v<T, float>) {
      return rooms32_;
    } else {
      return rooms64_;
    }
  }();
  if (rooms.size() <= static_cast<std::size_t>(number)) rooms.resize(number + 1);
  Room<T>& room = rooms[number];
  if (room.size < n) {
    room.size = n;
    room.numbers = {};  // free first: the old contents are not wanted
    if (group_) room.numbers.resize(n);
  }
  return room.numbers.data();
}

template <class T>
T* TensorGroup::kept_room(std::uint64_t sum, std::size_t n) {
  return own_room<T>(kKept + static_cast<int>(sum % kAhead), n);
}

template <class T>
T* TensorGroup::room(int number, std::size_t n) {
  return own_room<T>(kOwnRooms + number, n);
}

#define CORONET_GROUP(T)                                                    \
  template void TensorGroup::sum(std::span<T>);                             \
  template void TensorGroup::begin_gather(std::size_t, int, const T*);      \
  template void TensorGroup::end_gather(std::size_t, int, const T*, T*);    \
  template void TensorGroup::begin_scatter_sum(std::size_t, int, const T*); \
  template void TensorGroup::end_scatter_sum(std::size_t, int, T*, bool);   \
  template T* TensorGroup::room(int, std::size_t);
CORONET_GROUP(float)
CORONET_GROUP(double)
#undef CORONET_GROUP

}  // namespace coronet::bound
