#include "bound/tensor/group.h"

#include <algorithm>
#include <type_traits>

#include "base/resources.h"

namespace coronet::bound {

namespace {

/// The first rooms are the group's own.
constexpr int kPacked = 0;
constexpr int kSummed = 1;
constexpr int kOwnRooms = 2;

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
void TensorGroup::gather(std::size_t places, int each, const T* share, T* whole) {
  const Timer timer(seconds_);
  const auto ranks = static_cast<std::size_t>(size());
  const std::size_t mine = places * each;
  T* packed = own_room<T>(kPacked, ranks * mine);
  count((ranks - 1) * mine * sizeof(T), 1);
  if (!group_) return;
  group_->all_gather(std::span<const T>(share, mine), std::span<T>(packed, ranks * mine));
  for (std::size_t r = 0; r < ranks; ++r) {
    for (std::size_t p = 0; p < places; ++p) {
      const T* from = packed + r * mine + p * each;
      std::copy(from, from + each, whole + (p * ranks + r) * each);
    }
  }
}

template <class T>
void TensorGroup::scatter_sum(std::size_t places, int each, const T* whole, T* share,
                              bool accumulate) {
  const Timer timer(seconds_);
  const auto ranks = static_cast<std::size_t>(size());
  const std::size_t mine = places * each;
  T* packed = own_room<T>(kPacked, ranks * mine);
  T* sums = accumulate ? own_room<T>(kSummed, mine) : share;
  count((ranks - 1) * mine * sizeof(T), 1);
  if (!group_) return;
  for (std::size_t r = 0; r < ranks; ++r) {
    for (std::size_t p = 0; p < places; ++p) {
      const T* from = whole + (p * ranks + r) * each;
      std::copy(from, from + each, packed + r * mine + p * each);
    }
  }
  const std::vector<std::size_t> counts(ranks, mine);
  group_->reduce_scatter(std::span<const T>(packed, ranks * mine), std::span<T>(sums, mine), counts,
                         comm::Reduction::kSum);
  if (!accumulate) return;
  for (std::size_t i = 0; i < mine; ++i) share[i] += sums[i];
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
T* TensorGroup::room(int number, std::size_t n) {
  return own_room<T>(kOwnRooms + number, n);
}

#define CORONET_GROUP(T)                                                        \
  template void TensorGroup::sum(std::span<T>);                                 \
  template void TensorGroup::gather(std::size_t, int, const T*, T*);            \
  template void TensorGroup::scatter_sum(std::size_t, int, const T*, T*, bool); \
  template T* TensorGroup::room(int, std::size_t);
CORONET_GROUP(float)
CORONET_GROUP(double)
#undef CORONET_GROUP

}  // namespace coronet::bound
