// What every transport must do, as cases that all ranks of a group run together.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "base/rng.h"
#include "comm/communicator.h"
#include "comm/packet.h"
#include "comm/shards.h"

namespace coronet::test {

struct CommCase {
  const char* name;
  void (*run)(comm::Communicator& group);
};

/// Number i of rank r: signs and sizes differ widely, so that sums in another order have other
/// bits.
template <class T>
T number_of(int r, std::size_t i) {
  const double x = normal(7, static_cast<std::uint64_t>(r), i);
  const double size = i % 3 == 0 ? 1e6 : 1e-3;
  return static_cast<T>(x * size);
}

template <class T>
std::vector<T> numbers_of(int r, std::size_t count) {
  std::vector<T> all(count);
  for (std::size_t i = 0; i < count; ++i) all[i] = number_of<T>(r, i);
  return all;
}

/// What the ranks' numbers add up to, rank by rank.
template <class T>
T reduced(int ranks, std::size_t i, comm::Reduction how) {
  T sum = number_of<T>(0, i);
  for (int r = 1; r < ranks; ++r) {
    const T x = number_of<T>(r, i);
    if (how == comm::Reduction::kSum) sum += x;
    if (how == comm::Reduction::kMin) sum = std::min(sum, x);
    if (how == comm::Reduction::kMax) sum = std::max(sum, x);
  }
  return sum;
}

inline constexpr comm::Reduction kReductions[] = {comm::Reduction::kSum, comm::Reduction::kMin,
                                                  comm::Reduction::kMax};

/// Rank r's part: uneven, some of them empty.
inline std::vector<std::size_t> uneven(int ranks) {
  std::vector<std::size_t> counts;
  for (int r = 0; r < ranks; ++r) counts.push_back(r % 3 == 1 ? 0 : 5 * r + 1);
  return counts;
}

template <class T>
void reduce_and_scatter(comm::Communicator& group) {
  for (const comm::Reduction how : kReductions) {
    for (const std::size_t count : {std::size_t{0}, std::size_t{1}, std::size_t{1001}}) {
      std::vector<T> values = numbers_of<T>(group.rank(), count);
      group.all_reduce(std::span<T>(values), how);
      for (std::size_t i = 0; i < count; ++i) {
        ASSERT_EQ(values[i], reduced<T>(group.size(), i, how)) << "element " << i;
      }
    }
    const std::vector<std::size_t> counts = uneven(group.size());
    const std::size_t total = std::accumulate(counts.begin(), counts.end(), std::size_t{0});
    const std::size_t before =
        std::accumulate(counts.begin(), counts.begin() + group.rank(), std::size_t{0});
    const std::vector<T> all = numbers_of<T>(group.rank(), total);
    std::vector<T> mine(counts[group.rank()]);
    group.reduce_scatter(std::span<const T>(all), std::span<T>(mine), counts, how);
    for (std::size_t i = 0; i < mine.size(); ++i) {
      ASSERT_EQ(mine[i], reduced<T>(group.size(), before + i, how)) << "element " << i;
    }
  }
}

/// Several on their way, and other collectives between their halves.
inline void exchanges(comm::Communicator& group) {
  constexpr int kRounds = 3;
  const auto said = [](int round, int from, int to) {
    return comm::Bytes(static_cast<std::size_t>(7 * round),
                       static_cast<std::byte>(16 * round + 4 * from + to));
  };
  for (int round = 0; round < kRounds; ++round) {
    comm::Bytes one;
    group.begin_exchange([&](int to) {
      one = said(round, group.rank(), to);
      return std::span<const std::byte>(one);
    });
    double sum = 1;
    group.all_reduce(std::span<double>(&sum, 1), comm::Reduction::kSum);
    ASSERT_EQ(sum, group.size());
  }
  for (int round = 0; round < kRounds; ++round) {
    const std::vector<comm::Bytes> parts = group.end_exchange(said(round, 0, 0).size());
    for (int from = 0; from < group.size(); ++from) {
      ASSERT_EQ(parts[from],
                from == group.rank() ? comm::Bytes() : said(round, from, group.rank()));
    }
  }
}

inline void gathers(comm::Communicator& group) {
  const std::vector<std::int64_t> one{group.rank() * 10, group.rank()};
  std::vector<std::int64_t> pairs(2 * group.size());
  group.all_gather(std::span<const std::int64_t>(one), std::span<std::int64_t>(pairs));
  for (int r = 0; r < group.size(); ++r) {
    ASSERT_EQ(pairs[2 * r], r * 10);
    ASSERT_EQ(pairs[2 * r + 1], r);
  }
  const std::vector<std::size_t> counts = uneven(group.size());
  const std::vector<float> part = numbers_of<float>(group.rank(), counts[group.rank()]);
  std::vector<float> all(std::accumulate(counts.begin(), counts.end(), std::size_t{0}));
  group.all_gather(std::span<const float>(part), std::span<float>(all), counts);
  std::size_t at = 0;
  for (int r = 0; r < group.size(); ++r) {
    for (std::size_t i = 0; i < counts[r]; ++i) ASSERT_EQ(all[at++], number_of<float>(r, i));
  }
  // And where only the members know the sizes.
  const std::vector<comm::Bytes> bytes =
      group.all_gather(comm::Bytes(counts[group.rank()], std::byte(group.rank())));
  for (int r = 0; r < group.size(); ++r) {
    ASSERT_EQ(bytes[r], comm::Bytes(counts[r], std::byte(r)));
  }
}

inline void broadcasts(comm::Communicator& group) {
  for (int root = 0; root < group.size(); ++root) {
    std::vector<double> values(17, -1.0);
    if (group.rank() == root) values = numbers_of<double>(root, 17);
    group.broadcast(std::span<double>(values), root);
    ASSERT_EQ(values, numbers_of<double>(root, 17));
    // Of a length that the root alone knows, 0 among them.
    comm::Bytes bytes;
    if (group.rank() == root) bytes.assign(3 * root, std::byte(root));
    ASSERT_EQ(group.broadcast(bytes, root), comm::Bytes(3 * root, std::byte(root)));
  }
}

/// To everybody, myself included, in two tags that are received in the other order.
inline void letters(comm::Communicator& group) {
  const int n = group.size();
  for (int to = 0; to < n; ++to) {
    for (int tag = 0; tag < 2; ++tag) {
      for (int k = 0; k < 3; ++k) {
        group.send(to, tag, "a test", comm::Bytes(k * 100, std::byte(group.rank() + 10 * tag)));
      }
    }
  }
  for (int tag = 1; tag >= 0; --tag) {
    for (int from = 0; from < n; ++from) {
      for (int k = 0; k < 3; ++k) {
        const comm::Letter letter = group.receive(from, tag, "a test");
        ASSERT_EQ(letter.from, from);
        ASSERT_EQ(letter.bytes, comm::Bytes(k * 100, std::byte(from + 10 * tag)));
      }
    }
  }
}

/// A leader that hears whoever comes first, as rows are dealt.
inline void from_any(comm::Communicator& group) {
  constexpr int kAsk = 3;
  constexpr int kGive = 4;
  if (group.rank() == 0) {
    std::vector<int> heard(group.size(), 0);
    for (int k = 0; k < 4 * (group.size() - 1); ++k) {
      const comm::Letter letter = group.receive(comm::kAny, kAsk, "a request");
      ++heard[letter.from];
      group.send(letter.from, kGive, "an answer", letter.bytes);
    }
    for (int r = 1; r < group.size(); ++r) ASSERT_EQ(heard[r], 4);
    return;
  }
  for (int k = 0; k < 4; ++k) {
    const comm::Bytes question(k, std::byte(group.rank()));
    group.send(0, kAsk, "a request", question);
    ASSERT_EQ(group.receive(0, kGive, "an answer").bytes, question);
  }
}

/// What is awaited later: nothing is there before it was sent.
inline void requests(comm::Communicator& group) {
  const int next = (group.rank() + 1) % group.size();
  const int last = (group.rank() + group.size() - 1) % group.size();
  comm::Request request = group.expect(last, 5, "a token");
  ASSERT_FALSE(request.test());
  group.barrier();
  group.send(next, 5, "a token", comm::Bytes(group.rank() + 1));
  group.barrier();
  ASSERT_EQ(request.wait().bytes.size(), static_cast<std::size_t>(last + 1));
}

inline void sub_groups(comm::Communicator& group) {
  // Even and odd ranks, in the opposite order; both talk at once, with the same tags.
  comm::Communicator half = group.split(group.rank() % 2, -group.rank());
  std::vector<int> members;
  for (int r = group.size() - 1; r >= 0; --r) {
    if (r % 2 == group.rank() % 2) members.push_back(r);
  }
  ASSERT_EQ(half.size(), static_cast<int>(members.size()));
  ASSERT_EQ(members[half.rank()], group.rank());
  const int mine = group.rank();
  std::vector<int> all(half.size());
  half.all_gather(std::span<const int>(&mine, 1), std::span<int>(all));
  ASSERT_EQ(all, members);
  for (int to = 0; to < half.size(); ++to) {
    half.send(to, 0, "a test", comm::Bytes(1, std::byte(half.rank())));
  }
  for (int k = 0; k < half.size(); ++k) {
    const comm::Letter letter = half.receive(comm::kAny, 0, "a test");
    ASSERT_EQ(letter.bytes, comm::Bytes(1, std::byte(letter.from)));
  }
  // A group of a group, and one of each rank alone.
  comm::Communicator quarter = half.split(half.rank() / 2, 0);
  std::vector<double> one{1.0};
  quarter.all_reduce(std::span<double>(one), comm::Reduction::kSum);
  ASSERT_EQ(one[0], quarter.size());
  comm::Communicator single = group.split(group.rank(), 0);
  ASSERT_EQ(single.size(), 1);
  single.barrier();
  group.barrier();
}

/// Everybody sends much to everybody before anybody receives.
inline void large(comm::Communicator& group) {
  const std::size_t count = (std::size_t{1} << 22) / group.size() + 3;
  std::vector<float> all(count * group.size());
  group.all_gather(std::span<const float>(std::vector<float>(count, group.rank() + 0.5F)),
                   std::span<float>(all));
  for (int r = 0; r < group.size(); ++r) {
    ASSERT_EQ(all[r * count], r + 0.5F);
    ASSERT_EQ(all[(r + 1) * count - 1], r + 0.5F);
  }
  std::vector<double> sum(std::size_t{1} << 19, 1.0);
  group.all_reduce(std::span<double>(sum), comm::Reduction::kSum);
  ASSERT_EQ(sum.back(), group.size());
}

/// No rank leaves a barrier before all have come: a token that is sent before it is there after it.
inline void barriers(comm::Communicator& group) {
  for (int round = 0; round < 20; ++round) {
    const int late = round % group.size();
    if (group.rank() == late) {
      for (int r = 0; r < group.size(); ++r) group.send(r, 6, "a token", {});
    }
    group.barrier();
    ASSERT_EQ(group.receive(late, 6, "a token").bytes.size(), 0U);
    group.barrier();
  }
}

/// Any bytes of arrays of which each rank has a part, read by two threads of each, out of step.
inline void read_shards(comm::Communicator& group, comm::Shards::Way way) {
  const std::vector<std::size_t> sizes{0, 3, 8, 1000, (std::size_t{1} << 20) + 5};
  const auto byte_of = [](std::size_t array, std::size_t i) {
    return static_cast<std::byte>((i * 7 + i / 251 + array) & 0xFFU);
  };
  comm::Shards all(group, way);
  for (std::size_t a = 0; a < sizes.size(); ++a) {
    const auto [first, last] = comm::Shards::part(sizes[a], group.size(), group.rank());
    comm::Bytes mine;
    for (std::size_t i = first; i < last; ++i) mine.push_back(byte_of(a, i));
    EXPECT_LE(mine.size(), sizes[a] / group.size() + 8);
    EXPECT_EQ(all.add(std::move(mine), sizes[a]), static_cast<int>(a));
  }
  all.serve();
  const auto read = [&](std::uint64_t stream) {
    for (std::uint64_t i = 0; i < 40; ++i) {
      const auto a = static_cast<std::size_t>(uniform_index(3, stream, 3 * i, sizes.size()));
      const auto first = uniform_index(3, stream, 3 * i + 1, sizes[a] + 1);
      const auto count = uniform_index(3, stream, 3 * i + 2, sizes[a] - first + 1);
      comm::ShardFetch fetch = all.fetch(static_cast<int>(a), first, count);
      comm::ShardFetch beside = all.fetch(3, 0, 1000);
      const std::byte* const bytes = fetch.wait();
      std::size_t wrong = 0;
      for (std::size_t k = 0; k < count; ++k) wrong += bytes[k] != byte_of(a, first + k) ? 1 : 0;
      EXPECT_EQ(wrong, 0U) << "array " << a << ", " << count << " bytes from " << first;
      EXPECT_EQ(beside.wait()[999], byte_of(3, 999));
    }
  };
  const auto stream = static_cast<std::uint64_t>(2 * group.rank());
  std::thread other([&] { read(stream); });
  read(stream + 1);
  other.join();
  group.barrier();  // the others may still be reading
}

inline void shards(comm::Communicator& group) { read_shards(group, comm::Shards::Way::kNearest); }
inline void shards_by_letters(comm::Communicator& group) {
  read_shards(group, comm::Shards::Way::kLetters);
}

/// Each rank finds what the others say that they have elsewhere: nothing before they do.
inline void whereabouts(comm::Communicator& group) {
  struct Place final : comm::Elsewhere {
    explicit Place(int r) : rank(r) {}
    [[nodiscard]] comm::Bytes words() const override { return {static_cast<std::byte>(rank + 1)}; }
    int rank;
  };
  comm::Shards all(group);
  all.serve();
  using Copy = comm::Shards::Copy;
  for (const bool published : {false, true}) {
    if (published) all.publish(Copy::kPacked, std::make_shared<Place>(group.rank()));
    group.barrier();
    for (int r = 0; r < group.size(); ++r) {
      if (r == group.rank()) continue;
      const comm::Whereabouts found = all.whereabouts(Copy::kPacked, r);
      const auto* const here = dynamic_cast<const Place*>(found.here.get());
      if (!published) {
        EXPECT_EQ(here, nullptr);
        EXPECT_TRUE(found.words.empty());
      } else if (here != nullptr) {  // of this process
        EXPECT_EQ(here->rank, r);
      } else {
        EXPECT_EQ(found.words, comm::Bytes{static_cast<std::byte>(r + 1)});
      }
    }
    group.barrier();
  }
}

inline const std::vector<CommCase>& comm_cases() {
  static const std::vector<CommCase> all{
      {"all_gather", gathers},
      {"exchanges in two halves", exchanges},
      {"broadcast", broadcasts},
      {"reductions of float", reduce_and_scatter<float>},
      {"reductions of double", reduce_and_scatter<double>},
      {"reductions of int64", reduce_and_scatter<std::int64_t>},
      {"letters", letters},
      {"from any rank", from_any},
      {"requests", requests},
      {"sub-groups", sub_groups},
      {"large", large},
      {"barrier", barriers},
      {"shards", shards},
      {"shards by letters", shards_by_letters},
      {"whereabouts", whereabouts},
  };
  return all;
}

}  // namespace coronet::test
