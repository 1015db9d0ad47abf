// Runs of which one letter is damaged: they end for all ranks, soon, with an error that says so and
// without a verdict.
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/resources.h"
#include "bound/ranks/protocol.h"
#include "comm/shards.h"
#include "comm/threads.h"
#include "lying_channel.h"
#include "rank_cases.h"
#include "search/ranks/distant_judge.h"
#include "search/ranks/letters.h"
#include "search_ranks.h"

namespace coronet {
namespace {

using comm::Bytes;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();

/// Writes `value` over what is at byte `at`.
template <class T>
void overwrite(Bytes& bytes, std::size_t at, const T& value) {
  ASSERT_LE(at + sizeof value, bytes.size());
  std::memcpy(bytes.data() + at, &value, sizeof value);
}

struct Lie {
  const char* name;
  int rank;  ///< that tells it
  int tag;
  std::function<void(Bytes&)> change;  ///< of the first letter of the tag that is one of these:
  int kind = -1;                       ///< those that begin with this byte; -1: any
  std::size_t longer_than = 0;
};

/// Tells the lie; counts those that were told.
test::Lying::Change telling(const Lie& lie, int rank, std::atomic<int>& told) {
  if (rank != lie.rank) return nullptr;
  return [&lie, &told](const comm::Subject& subject, Bytes& bytes) {
    if (subject.tag != lie.tag || bytes.size() <= lie.longer_than) return false;
    if (lie.kind >= 0 && static_cast<int>(bytes[0]) != lie.kind) return false;
    lie.change(bytes);
    ++told;
    return true;
  };
}

void expect_ends(const Lie& lie, const std::function<void(comm::Channel&)>& as_rank, int ranks) {
  SCOPED_TRACE(lie.name);
  std::atomic<int> told = 0;
  // Whom the rows and the domains are dealt to is nobody's choice: that rank may get none.
  for (int times = 0; told == 0 && times < 300; ++times) {
    const double begin = elapsed_seconds();
    try {
      comm::run_threads(comm::thread_channels(ranks), [&](comm::Channel& channel) {
        test::Lying it(channel, telling(lie, channel.rank(), told));
        as_rank(it);
      });
      EXPECT_EQ(told, 0) << "no error";
    } catch (const Error& e) {
      EXPECT_EQ(told, 1);
      EXPECT_EQ(e.kind(), ErrorKind::kInternal) << e.what();
      const std::string words = e.what();
      EXPECT_TRUE(words.find("is damaged: ") != std::string::npos ||
                  words.find("domains were lost") != std::string::npos)
          << words;
    }
    EXPECT_LT(elapsed_seconds() - begin, 10);
  }
  EXPECT_EQ(told, 1);
}

const auto kShorter = [](Bytes& bytes) { bytes.pop_back(); };
const auto kLonger = [](Bytes& bytes) { bytes.push_back(std::byte{0}); };

template <class T>
std::function<void(Bytes&)> set(std::size_t at, T value) {
  return [at, value](Bytes& bytes) { overwrite(bytes, at, value); };
}

TEST(Lies, AboutRowsEndTheRun) {
  constexpr int kBroadcast = -1;  // of the orders: the tag of the collective
  using bound::kAskTag;
  using bound::kGiveTag;
  const test::RankCase c = test::rank_cases().back();
  const std::size_t first = offsetof(bound::RankQuestion, first);
  const std::size_t last = offsetof(bound::RankQuestion, last);
  constexpr std::size_t kRows = sizeof(bound::RankQuestion);
  for (const Lie& lie :
       std::vector<Lie>{{"a hand below all", 1, kAskTag, set(0, -1)},
                        {"a hand above all", 1, kAskTag, set(0, 1 << 20)},
                        {"rows that were not given", 1, kAskTag, set(last, 4)},
                        {"half a question", 1, kAskTag, kShorter},
                        {"more than a question", 1, kAskTag, kLonger},
                        {"other rows", 2, kAskTag, set(last, 1 << 20), -1, kRows},
                        {"earlier rows", 2, kAskTag, set(first, -2), -1, kRows},
                        {"no rows", 1, kAskTag, [=](Bytes& b) { b.resize(kRows); }, -1, kRows},
                        {"too few rows", 1, kAskTag, kShorter, -1, kRows},
                        {"too many rows", 1, kAskTag, kLonger, -1, kRows},
                        {"so many rows", 1, kAskTag, set(kRows, ~std::uint64_t{0}), -1, kRows},
                        {"a bound that is none", 1, kAskTag, set(kRows + 8, kNaN), -1, kRows},
                        {"an infinite bound", 1, kAskTag, set(kRows + 8, kInf), -1, kRows},
                        {"rows before all", 0, kGiveTag, set(0, -4)},
                        {"rows behind all", 0, kGiveTag, set(4, 1 << 20)},
                        {"half a part", 0, kGiveTag, kShorter},
                        {"an order of no kind", 0, kBroadcast, set(0, std::uint8_t{99})},
                        {"the end of the whole graph", 0, kBroadcast,
                         [](Bytes& b) {
                           overwrite(b, 1, std::uint64_t{1});
                           b.insert(b.begin() + 9, sizeof(int), std::byte{0});
                         }},
                        {"another graph", 0, kBroadcast, set(9, 77)},
                        {"no truth", 0, kBroadcast, set(13, std::uint8_t{7})},
                        {"no time", 0, kBroadcast, set(14, kNaN)},
                        {"half an order", 0, kBroadcast, kShorter},
                        {"more than an order", 0, kBroadcast, kLonger}}) {
    expect_ends(
        lie,
        [&](comm::Channel& channel) {
          comm::Communicator group(channel);
          test::RankEngine engine(c.graph);
          engine.engine.options.chunk_mib = 1e-6;  // many parts: some for every rank
          if (group.rank() == 0) {
            (void)test::bound_leading(group, c, engine);
          } else {
            bound::serve_rows(group, c.graph, test::server_settings(engine));
          }
        },
        3);
  }
}

TEST(Lies, AboutDomainsEndTheRun) {
  using search::Call;
  using search::kCallTag;
  using search::kNewsTag;
  using search::MemberDone;
  using search::MemberStanding;
  using search::News;
  const auto kind = [](auto what) { return static_cast<int>(what); };
  const int standing = kind(News::kStanding);
  const int done = kind(News::kDone);
  const auto as = [](News what) { return set(0, static_cast<std::uint8_t>(what)); };
  const std::size_t row =
      1 + offsetof(MemberStanding, standing) + offsetof(search::Standing, worst_row);
  const std::size_t after_done = 1 + sizeof(MemberDone);
  const auto middle = [](Bytes& b) { b[b.size() / 2] ^= std::byte{1}; };
  std::vector<Lie> lies{
      {"news of no kind", 1, kNewsTag, set(0, std::uint8_t{77}), standing},
      {"half of its standing", 1, kNewsTag, kShorter, standing},
      {"more than its standing", 1, kNewsTag, kLonger, standing},
      {"a clause", 1, kNewsTag, set(row, 1 << 20), standing},
      {"fewer than none", 1, kNewsTag, set(1 + offsetof(MemberStanding, bounded), std::int64_t{-1}),
       standing},
      {"a share that nobody asked for", 1, kNewsTag, as(News::kShare), standing},
      {"a rest too soon", 1, kNewsTag, as(News::kRest), standing},
      {"an end too soon", 1, kNewsTag, as(News::kDone), standing},
      {"half a point", 1, kNewsTag, as(News::kPoint), standing},
      {"half an end", 1, kNewsTag, kShorter, done},
      {"more than an end", 1, kNewsTag, kLonger, done},
      {"fewer received", 1, kNewsTag, set(1 + offsetof(MemberDone, received), std::int64_t{0}),
       done},
      {"more sent", 1, kNewsTag, set(1 + offsetof(MemberDone, sent), std::int64_t{1} << 40), done},
      {"some kept back", 1, kNewsTag, set(1 + offsetof(MemberDone, left_behind), std::int64_t{-1}),
       done},
      {"other clauses", 1, kNewsTag, set(after_done, std::uint64_t{3}), done},
      {"a domain that is damaged", 1, kNewsTag, middle, kind(News::kRest)},
      {"too few domains", 1, kNewsTag, kShorter, kind(News::kRest)},
      {"a call of no kind", 0, kCallTag, set(0, std::uint8_t{9}), -1},
      {"domains that are damaged", 0, kCallTag, middle, kind(Call::kTake)},
      {"half a domain", 0, kCallTag, kShorter, kind(Call::kTake)},
      {"a share for nobody", 0, kCallTag, set(1, 0), kind(Call::kShare)},
      {"half a call", 0, kCallTag, kShorter, kind(Call::kShare)},
      {"an end that is none", 0, kCallTag, set(1, std::uint8_t{7}), kind(Call::kStop)},
      {"half of an end", 0, kCallTag, kShorter, kind(Call::kStop)}};
  for (const char* branch : {"relu", "input"}) {
    SCOPED_TRACE(branch);
    test::Query query = test::low_outputs("lies", test::mlp(3, 20, 4, 60, 3), 1, 0.7, 0.01,
                                          test::options_of(branch), 3);
    query.options.memory_gib = 2e-4;  // full soon
    for (const Lie& lie : lies) {
      expect_ends(
          lie,
          [&](comm::Channel& channel) {
            if (channel.rank() == 0) {
              (void)search::lead(channel, query, {}, 5);
            } else {
              search::serve(channel, query);
            }
          },
          3);
    }
  }
}

TEST(Lies, AboutWeightsEndTheRun) {
  constexpr int kQuestion = 0;  // the tag of a question for weights: array, tag, first, count
  constexpr int kAnswer = 1;
  for (const Lie& lie :
       std::vector<Lie>{{"an array above all", 1, kQuestion, set(0, 1)},
                        {"an array below all", 1, kQuestion, set(0, -3)},
                        {"an end that is the owner's to say", 1, kQuestion, set(0, -1)},
                        {"a tag of the collectives", 1, kQuestion, set(4, -3)},
                        {"a place behind the end", 1, kQuestion, set(8, std::uint64_t{1} << 40)},
                        {"so many bytes", 1, kQuestion, set(16, std::uint64_t{1} << 40)},
                        {"half a question", 1, kQuestion, kShorter},
                        {"more than a question", 1, kQuestion, kLonger},
                        {"other weights", 0, kAnswer, kShorter}}) {
    SCOPED_TRACE(lie.name);
    std::atomic<int> told = 0;
    try {
      comm::run_threads(comm::thread_channels(2), [&](comm::Channel& channel) {
        test::Lying it(channel, telling(lie, channel.rank(), told));
        comm::Communicator group(it);
        comm::Shards shards(group, comm::Shards::Way::kLetters);
        shards.add(Bytes(400), 800);
        shards.serve();
        if (group.rank() == 1) (void)shards.fetch(0, 8, 64).wait();
        group.barrier();
      });
      ADD_FAILURE() << "no error";
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::kInternal) << e.what();
    }
    EXPECT_EQ(told, 1);
  }
}

TEST(Lies, AboutPointsAreRefused) {
  for (const Bytes& answer : {Bytes{}, Bytes(1), Bytes(3), Bytes{std::byte{2}, std::byte{0}},
                              Bytes{std::byte{0}, std::byte{9}}}) {
    EXPECT_THROW(comm::run_threads(comm::thread_channels(2),
                                   [&](comm::Channel& channel) {
                                     comm::Communicator group(channel);
                                     if (group.rank() == 0) {
                                       (void)group.receive(1, search::kNewsTag, "");
                                       group.send(1, search::kVerdictTag, "", answer);
                                       return;
                                     }
                                     const float x = 0;
                                     (void)search::DistantJudge(group, 1).offer(0, &x);
                                   }),
                 Error);
  }
}

}  // namespace
}  // namespace coronet
