#include "comm/communicator.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <tuple>
#include <utility>

namespace coronet::comm {

namespace {

/// A number for a group that no other group of the run has, but for one chance in 2^64: every
/// member forms it by itself.
std::uint64_t group_number(std::uint64_t parent, std::uint64_t split, int colour) {
  std::uint64_t x = parent;
  for (const std::uint64_t part : {split, static_cast<std::uint64_t>(colour) + 1}) {
    // One step of splitmix64 (Steele, Lea, Flood, 2014).
    x = (x ^ part) + 0x9e3779b97f4a7c15U;
    x = (x ^ (x >> 30U)) * 0xbf58476d1ce4e5b9U;
    x = (x ^ (x >> 27U)) * 0x94d049bb133111ebU;
    x ^= x >> 31U;
  }
  return x;
}

constexpr const char* kExchanged = "a part of an exchange";

template <class T>
void reduce_into(std::span<T> sum, const Bytes& bytes, Reduction how) {
  for (std::size_t i = 0; i < sum.size(); ++i) {
    T value;
    std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
    switch (how) {
      case Reduction::kSum:
        sum[i] += value;
        break;
      case Reduction::kMin:
        sum[i] = std::min(sum[i], value);
        break;
      case Reduction::kMax:
        sum[i] = std::max(sum[i], value);
        break;
    }
  }
}

}  // namespace

bool Request::test() {
  if (!letter_) letter_ = group_->receive(from_, tag_, what_, 0);
  return letter_.has_value();
}

Letter Request::wait() {
  if (!letter_) letter_ = group_->await(from_, tag_, what_);
  return std::move(*letter_);
}

Communicator::Communicator(Channel& channel, double patience)
    : channel_(&channel), patience_(patience), rank_(channel.rank()) {
  for (int r = 0; r < channel.size(); ++r) members_.push_back(r);
}

Communicator::Communicator(const Communicator& parent, std::uint64_t group,
                           std::vector<int> members, int rank)
    : channel_(parent.channel_),
      patience_(parent.patience_),
      group_(group),
      members_(std::move(members)),
      rank_(rank) {}

int Communicator::rank_of(int member_of_all) const {
  return static_cast<int>(std::find(members_.begin(), members_.end(), member_of_all) -
                          members_.begin());
}

void Communicator::post(int to, int tag, const char* what, std::span<const std::byte> bytes) const {
  channel_->send(members_[to], {group_, tag, what}, bytes);
}

std::optional<Letter> Communicator::receive(int from, int tag, const char* what,
                                            double seconds) const {
  auto letter =
      channel_->receive(from == kAny ? kAny : members_[from], {group_, tag, what}, seconds);
  if (letter) letter->from = rank_of(letter->from);
  return letter;
}

Letter Communicator::await(int from, int tag, const char* what) const {
  if (auto letter = receive(from, tag, what, patience_)) return std::move(*letter);
  const std::string who = from == kAny ? "any rank" : fmt::format("rank {}", members_[from]);
  const std::string problem = fmt::format("rank {} waited {} s for {} from {} in vain",
                                          channel_->rank(), patience_, what, who);
  channel_->fail(ErrorKind::kRank, problem);
  throw Error(ErrorKind::kRank, problem);
}

Bytes Communicator::await_exactly(int from, int tag, const char* what, std::size_t bytes) const {
  Letter letter = await(from, tag, what);
  if (letter.bytes.size() != bytes) {
    throw Error(ErrorKind::kInternal,
                fmt::format("{}: rank {} sent {} bytes where rank {} expects {}", what,
                            members_[from], letter.bytes.size(), channel_->rank(), bytes));
  }
  return std::move(letter.bytes);
}

void Communicator::send(int to, int tag, const char* what, std::span<const std::byte> bytes) const {
  post(to, tag, what, bytes);
}

Letter Communicator::receive(int from, int tag, const char* what) const {
  return await(from, tag, what);
}

Request Communicator::expect(int from, int tag, const char* what) const {
  return {*this, from, tag, what};
}

Communicator Communicator::split(int colour, int key) {
  struct Choice {
    int colour, key, rank;
  };
  std::vector<Choice> all(members_.size());
  const Choice mine{colour, key, rank_};
  all_gather(std::span<const Choice>(&mine, 1), std::span<Choice>(all));
  // Who said something is known from where it came.
  for (int r = 0; r < size(); ++r) all[r].rank = r;
  std::erase_if(all, [&](const Choice& c) { return c.colour != colour; });
  std::sort(all.begin(), all.end(), [](const Choice& a, const Choice& b) {
    return std::tie(a.key, a.rank) < std::tie(b.key, b.rank);
  });
  std::vector<int> members;
  int rank = 0;
  for (const Choice& c : all) {
    if (c.rank == rank_) rank = static_cast<int>(members.size());
    members.push_back(members_[c.rank]);
  }
  return {*this, group_number(group_, ++splits_, colour), std::move(members), rank};
}

/// In each round, a rank hears of twice as many as before.
void Communicator::barrier() {
  const int n = size();
  for (int step = 1; step < n; step *= 2) {
    post((rank_ + step) % n, kBarrier, "a barrier", {});
    (void)await_exactly((rank_ + n - step) % n, kBarrier, "a barrier", 0);
  }
}

/// Down a binomial tree: who has the bytes gives them to a rank that is twice as far from the root
/// each time.
Bytes Communicator::broadcast(Bytes bytes, int root) {
  constexpr const char* kWhat = "a broadcast";
  const int n = size();
  const int place = (rank_ + n - root) % n;
  int reach = 1;
  while (reach < n) reach *= 2;
  // The lowest bit of my place: from there upwards somebody else is nearer to the root.
  const int low = place == 0 ? reach : place & -place;
  if (place != 0) {
    bytes = await((place - low + root) % n, kBroadcast, kWhat).bytes;
  }
  for (int step = low / 2; step >= 1; step /= 2) {
    if (place + step < n) post((place + step + root) % n, kBroadcast, kWhat, bytes);
  }
  return bytes;
}

void Communicator::spread(std::span<const std::byte> from, std::span<std::byte> to, int root) {
  const Bytes bytes = broadcast({from.begin(), from.end()}, root);
  if (bytes.size() != to.size()) {
    throw Error(ErrorKind::kInternal,
                fmt::format("a broadcast: rank {} sent {} bytes where rank {} expects {}",
                            members_[root], bytes.size(), channel_->rank(), to.size()));
  }
  std::copy(bytes.begin(), bytes.end(), to.begin());
}

std::vector<std::size_t> Communicator::equal_parts(std::size_t each) const {
  return std::vector<std::size_t>(members_.size(), each);
}

std::vector<Bytes> Communicator::all_gather(const Bytes& mine) {
  constexpr const char* kWhat = "a part of a gather";
  const int n = size();
  for (int k = 1; k < n; ++k) post((rank_ + k) % n, kGather, kWhat, mine);
  std::vector<Bytes> all(n);
  all[rank_] = mine;
  for (int k = 1; k < n; ++k) {
    const int from = (rank_ + n - k) % n;
    all[from] = await(from, kGather, kWhat).bytes;
  }
  return all;
}

/// Everybody sends to everybody, each beginning with the next rank, so that nobody is asked by all
/// at once.
void Communicator::gather(std::span<const std::byte> mine, std::span<std::byte> all,
                          std::span<const std::size_t> counts, std::size_t each) {
  constexpr const char* kWhat = "a part of a gather";
  const int n = size();
  std::vector<std::size_t> at(counts.size() + 1, 0);
  for (std::size_t r = 0; r < counts.size(); ++r) at[r + 1] = at[r] + counts[r] * each;
  if (counts.size() != members_.size() || mine.size() != counts[rank_] * each ||
      all.size() != at.back()) {
    throw Error(ErrorKind::kInternal, "all_gather: the parts do not make up the whole");
  }
  for (int k = 1; k < n; ++k) post((rank_ + k) % n, kGather, kWhat, mine);
  std::copy(mine.begin(), mine.end(), all.begin() + static_cast<std::ptrdiff_t>(at[rank_]));
  for (int k = 1; k < n; ++k) {
    const int from = (rank_ + n - k) % n;
    const Bytes part = await_exactly(from, kGather, kWhat, counts[from] * each);
    std::copy(part.begin(), part.end(), all.begin() + static_cast<std::ptrdiff_t>(at[from]));
  }
}

void Communicator::begin_exchange(
    const std::function<std::span<const std::byte>(int member)>& part) const {
  for (int k = 1; k < size(); ++k) {
    const int to = (rank_ + k) % size();
    post(to, kExchange, kExchanged, part(to));
  }
}

std::vector<Bytes> Communicator::end_exchange(std::size_t bytes) const {
  std::vector<Bytes> parts(members_.size());
  for (int from = 0; from < size(); ++from) {
    if (from != rank_) parts[from] = await_exactly(from, kExchange, kExchanged, bytes);
  }
  return parts;
}

template <class T>
void Communicator::reduce_scatter(std::span<const T> all, std::span<T> mine,
                                  std::span<const std::size_t> counts, Reduction how) {
  constexpr const char* kWhat = "a part to reduce";
  const int n = size();
  std::vector<std::size_t> at(counts.size() + 1, 0);
  for (std::size_t r = 0; r < counts.size(); ++r) at[r + 1] = at[r] + counts[r];
  if (counts.size() != members_.size() || mine.size() != counts[rank_] || all.size() != at.back()) {
    throw Error(ErrorKind::kInternal, "reduce_scatter: the parts do not make up the whole");
  }
  for (int k = 1; k < n; ++k) {
    const int to = (rank_ + k) % n;
    post(to, kScatter, kWhat, as_bytes(all.subspan(at[to], counts[to])));
  }
  const auto own = all.subspan(at[rank_], counts[rank_]);
  for (int from = 0; from < n; ++from) {
    const Bytes part = from == rank_
                           ? Bytes(as_bytes(own).begin(), as_bytes(own).end())
                           : await_exactly(from, kScatter, kWhat, counts[rank_] * sizeof(T));
    if (from == 0) {
      std::copy(part.begin(), part.end(), std::as_writable_bytes(mine).begin());
    } else {
      reduce_into(mine, part, how);
    }
  }
}

template <class T>
void Communicator::all_reduce(std::span<T> values, Reduction how) {
  const auto n = static_cast<std::size_t>(size());
  std::vector<std::size_t> counts;
  for (std::size_t r = 0; r < n; ++r) {
    counts.push_back(values.size() * (r + 1) / n - values.size() * r / n);
  }
  std::vector<T> mine(counts[rank_]);
  reduce_scatter(std::span<const T>(values), std::span<T>(mine), counts, how);
  all_gather(std::span<const T>(mine), values, counts);
}

#define CORONET_REDUCTIONS(T)                                                          \
  template void Communicator::reduce_scatter(std::span<const T>, std::span<T>,         \
                                             std::span<const std::size_t>, Reduction); \
  template void Communicator::all_reduce(std::span<T>, Reduction);
CORONET_REDUCTIONS(float)
CORONET_REDUCTIONS(double)
CORONET_REDUCTIONS(std::int64_t)
#undef CORONET_REDUCTIONS

}  // namespace coronet::comm
