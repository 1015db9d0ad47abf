// Searches whose domains are shared by ranks: the verdict of one rank, no domain lost, and no rank
// left waiting.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/resources.h"
#include "bound/ranks/leader.h"
#include "bound/ranks/server.h"
#include "bound/root.h"
#include "comm/threads.h"
#include "faulty_channel.h"
#include "graph/sharded.h"
#include "hard_queries.h"
#include "search/prepared.h"
#include "search/ranks/shared_turn.h"
#include "search/refine.h"
#include "search/verify.h"
#include "search_ranks.h"

namespace coronet::search {
namespace {

using comm::Channel;
using test::Faulty;
using test::Query;

Result run(int ranks, const Query& query, Continuation continuation = {}, double seconds = 20,
           double delay = 0) {
  Result result;
  comm::run_threads(comm::thread_channels(ranks), [&](Channel& channel) {
    Faulty slow(channel, delay * channel.rank(), -1, [] {});
    if (channel.rank() == 0) {
      result = lead(slow, query, std::move(continuation), seconds);
    } else {
      serve(slow, query);
    }
  });
  return result;
}

struct Sums {
  std::int64_t domains = 0;
  std::int64_t handed_over = 0;
  int working = 0;  ///< ranks that bounded any
};

Sums sums_of(const Result& result) {
  Sums sums;
  for (const RankReport& r : result.ranks) {
    sums.domains += r.domains;
    sums.handed_over += r.handed_over;
    sums.working += r.domains > 0 ? 1 : 0;
  }
  return sums;
}

/// Where rounds alone decide, the same domains are bounded, whoever does it.
TEST(SearchRanks, VerdictsAreThoseOfOneRank) {
  int shared = 0;
  for (const Query& q : test::queries()) {
    const Result one = run(1, q);
    ASSERT_TRUE(one.verdict == Verdict::kHolds || one.verdict == Verdict::kViolated);
    const bool repeats =
        !q.options.refine && q.options.branch != "auto" && one.verdict == Verdict::kHolds;
    for (const int ranks : {2, 3, 4}) {
      SCOPED_TRACE(q.name + ", " + std::to_string(ranks) + " ranks");
      const Result all = run(ranks, q);
      EXPECT_EQ(all.verdict, one.verdict) << all.reason;
      test::expect_honest(q.graph, q.property, all);
      ASSERT_EQ(all.ranks.size(), static_cast<std::size_t>(ranks));
      const Sums sums = sums_of(all);
      EXPECT_EQ(sums.domains, all.domains);
      if (repeats) {
        EXPECT_EQ(all.domains, one.domains);
      }
      if (sums.working > 1 && sums.handed_over > 0) ++shared;
    }
  }
  EXPECT_GT(shared, 10) << "ranks hardly ever worked together";
}

TEST(SearchRanks, RandomVerdictsAreThoseOfOneRank) {
  int violated = 0;
  int holds = 0;
  for (std::uint64_t seed = 0; seed < 3; ++seed) {
    for (const test::Named& n : test::tiny_networks()) {
      test::Draw draw(seed + 77);
      Query q{n.name, n.graph, test::random_property(n.graph, draw),
              test::options_of(seed % 2 == 0 ? "relu" : "input")};
      q.options.attack = seed == 2;
      SCOPED_TRACE(n.name + " " + std::to_string(seed));
      const Result one = run(1, q, {}, 1);
      const Result all = run(2 + static_cast<int>(seed), q, {}, 1);
      test::expect_honest(q.graph, q.property, all);
      // What time alone ends may end otherwise.
      if (one.verdict == Verdict::kTimeout || all.verdict == Verdict::kTimeout) continue;
      EXPECT_EQ(all.verdict, one.verdict) << one.reason << " / " << all.reason;
      violated += all.verdict == Verdict::kViolated ? 1 : 0;
      holds += all.verdict == Verdict::kHolds ? 1 : 0;
    }
  }
  EXPECT_GT(violated, 3);
  EXPECT_GT(holds, 10);
}

/// Each neuron is refined by itself, so its bounds have the same bits whoever does it.
TEST(SearchRanks, RefinedBoundsAreThoseOfOneRank) {
  Query q{"", test::mlp(5, 6, 4, 30, 3), {}, test::options_of("relu")};
  const std::vector<double> lower(6, -0.7);
  const std::vector<double> upper(6, 0.7);
  int v = 0;  // what feeds the last ReLUs
  for (const Node& node : q.graph.nodes) {
    if (std::holds_alternative<Relu>(node.op)) v = node.inputs[0];
  }
  std::vector<std::int64_t> domains;
  const auto refined = [&](comm::Communicator* group) {
    test::Engine engine(q.graph);
    std::optional<bound::Ranks> ranks;
    std::unique_ptr<bound::RowBounder> dealt;
    RefineSettings settings;
    settings.iterations = 5;
    settings.memory_bytes = std::size_t{1} << 28;
    settings.stop = [] { return false; };
    if (group != nullptr) {
      ranks.emplace(*group, q.graph, "test", 1);
      dealt = ranks->whole(engine.context, nullptr);
      engine.context.ranks = dealt.get();
      settings.ranks = &*ranks;
    }
    bound::Root root = bound_root(engine.context, lower, upper, {bound::Method::kCrown});
    const std::vector<double> before = root.bounds.lo[v];
    domains.push_back(refine(engine.context, root, v, settings));
    EXPECT_NE(root.bounds.lo[v], before);
    if (ranks) {
      ranks->end();
      for (const RankReport& r : ranks->reports()) EXPECT_GT(r.domains, 0);
    }
    return root.bounds;
  };
  const bound::Bounds one = refined(nullptr);
  for (const int count : {2, 3}) {
    SCOPED_TRACE(count);
    comm::run_threads(comm::thread_channels(count), [&](Channel& channel) {
      if (channel.rank() != 0) {
        serve(channel, q);
        return;
      }
      comm::Communicator group(channel);
      const bound::Bounds all = refined(&group);
      EXPECT_EQ(all.lo, one.lo);
      EXPECT_EQ(all.hi, one.hi);
      EXPECT_EQ(domains.back(), domains.front());
    });
  }
}

/// A query that many domains do not decide.
Query endless(const std::string& branch) {
  return test::low_outputs("endless", test::mlp(3, 20, 4, 60, 3), 1, 0.7, 0.01,
                           test::options_of(branch), 3);
}

TEST(SearchRanks, TimeAndMemoryLeaveClausesOpen) {
  for (const char* branch : {"relu", "input"}) {
    SCOPED_TRACE(branch);
    const Query q = endless(branch);
    const double begin = elapsed_seconds();
    const Result late = run(3, q, {}, 0.7);
    EXPECT_EQ(late.verdict, Verdict::kTimeout);
    EXPECT_LT(elapsed_seconds() - begin, 10);
    // Most of them stay where they are: more are open than witnesses could be.
    EXPECT_GT(late.open_domains, static_cast<std::int64_t>(3 * q.property.clauses.size()));
    EXPECT_GT(sums_of(late).working, 1);
    test::expect_honest(q.graph, q.property, late);
    Query little = q;
    little.options.memory_gib = 1e-4;
    const Result full = run(3, little);
    EXPECT_EQ(full.verdict, Verdict::kUnknown);
    EXPECT_NE(full.reason.find("--memory-gib"), std::string::npos) << full.reason;
  }
}

template <class Item>
class Resting final : public Rounds<Item> {
 public:
  using Rounds<Item>::Rounds;
  void round() override {}
  [[nodiscard]] Standing standing() const override { return {}; }
};

/// What stands for the open domains has of every clause the least bound, and takes nothing away.
TEST(SearchRanks, WitnessesAreOfEveryClause) {
  for (const int clauses : {1, 2, 7}) {
    SCOPED_TRACE(clauses);
    std::vector<Domain> domains(clauses * 5);
    std::vector<BoxDomain> boxes(clauses * 5);
    std::vector<double> least(clauses, HUGE_VAL);
    for (int i = 0; i < clauses * 5; ++i) {
      const auto bound = static_cast<float>((i * 7) % 11 - 5);
      domains[i].objective = i % clauses;
      domains[i].bound = bound;
      boxes[i].bound = bound;
      boxes[i].clauses = {i % clauses, (i + 1) % clauses};
      least[i % clauses] = std::min<double>(least[i % clauses], bound);
    }
    Resting<Domain> of_neurons(domains);
    const std::vector<Domain> found = of_neurons.witnesses();
    EXPECT_EQ(found.size(), static_cast<std::size_t>(clauses));
    for (const Domain& d : found) EXPECT_EQ(d.bound, least[d.objective]);
    EXPECT_EQ(of_neurons.count(), static_cast<std::size_t>(clauses * 5));
    std::vector<double> of_box(clauses, HUGE_VAL);
    const Resting<BoxDomain> of_inputs(boxes);
    for (const BoxDomain& b : of_inputs.witnesses()) {
      for (const int k : b.clauses) of_box[k] = std::min(of_box[k], b.bound);
    }
    for (int k = 0; k < clauses; ++k) {
      EXPECT_EQ(of_box[k], std::min(least[k], least[(k + clauses - 1) % clauses]));
    }
  }
}

TEST(SearchRanks, SlowLettersChangeNothing) {
  for (const Query& q : test::queries()) {
    if (q.options.refine) continue;
    SCOPED_TRACE(q.name);
    const Result one = run(1, q);
    const Result all = run(3, q, {}, 20, 0.001);
    EXPECT_EQ(all.verdict, one.verdict) << all.reason;
  }
}

/// Whatever letter a rank dies at, all end, and soon.
TEST(SearchRanks, ARankThatDiesEndsAll) {
  for (const char* branch : {"relu", "input"}) {
    const Query q = endless(branch);
    for (const int victim : {0, 1, 2}) {
      for (const int letters : {3, 4, 5, 7, 10}) {
        SCOPED_TRACE(std::string(branch) + " " + std::to_string(victim) + " " +
                     std::to_string(letters));
        std::atomic<double> died = 0;
        try {
          comm::run_threads(comm::thread_channels(3), [&](Channel& channel) {
            Faulty it(channel, 0, channel.rank() == victim ? letters : -1, [&] {
              died = elapsed_seconds();
              throw Error(ErrorKind::kOutOfMemory, "no room for domains");
            });
            if (channel.rank() == 0) {
              (void)lead(it, q, {}, 60);
            } else {
              serve(it, q);
            }
          });
          ADD_FAILURE() << "no error";
        } catch (const Error& e) {
          EXPECT_EQ(e.kind(), ErrorKind::kOutOfMemory) << e.what();
        }
        EXPECT_LT(elapsed_seconds() - died, 10);
      }
    }
  }
}

/// The same where each rank has a part of the weights, which the others read as they bound domains.
TEST(SearchRanks, ARankThatDiesWithItsWeightsEndsAll) {
  for (const char* branch : {"relu", "input"}) {
    const Query q = endless(branch);
    for (const int victim : {0, 1, 2}) {
      for (const int letters : {2, 3, 6}) {
        SCOPED_TRACE(std::string(branch) + " " + std::to_string(victim) + " " +
                     std::to_string(letters));
        std::atomic<double> died = 0;
        try {
          comm::run_threads(comm::thread_channels(3), [&](Channel& channel) {
            Query mine = q;
            comm::Communicator group(channel);
            const ShardedWeights weights(mine.graph, group);
            Faulty it(channel, 0, channel.rank() == victim ? letters : -1, [&] {
              died = elapsed_seconds();
              throw Error(ErrorKind::kOutOfMemory, "no room for domains");
            });
            if (channel.rank() == 0) {
              (void)lead(it, mine, {}, 60);
            } else {
              serve(it, mine);
            }
          });
          ADD_FAILURE() << "no error";
        } catch (const Error& e) {
          EXPECT_EQ(e.kind(), ErrorKind::kOutOfMemory) << e.what();
        }
        EXPECT_LT(elapsed_seconds() - died, 10);
      }
    }
  }
}

TEST(SearchRanks, MemoryOfARankEndsAll) {
  const Query q = endless("relu");
  try {
    comm::run_threads(comm::thread_channels(2), [&](Channel& channel) {
      if (channel.rank() == 0) {
        (void)lead(channel, q);
      } else {
        serve(channel, q, 1);
      }
    });
    ADD_FAILURE() << "no error";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kOutOfMemory) << e.what();
    EXPECT_NE(std::string(e.what()).find("rank 1"), std::string::npos) << e.what();
  }
}

/// Parts on changing numbers of ranks end as one run on one rank does; a part that is killed goes
/// on from what was saved before.
TEST(SearchRanks, PartsOnOtherNumbersOfRanksEndAsOneRunDoes) {
  int parts = 0;
  for (const Query& q : test::queries()) {
    SCOPED_TRACE(q.name);
    const Result one = run(1, q);
    std::optional<std::string> saved;
    std::optional<Result> result;
    std::int64_t last = 0;
    for (int part = 0; !result; ++part) {
      ASSERT_LT(part, 1000);
      std::atomic<bool> interrupted = false;
      std::atomic<int> asked = 0;
      Continuation continuation;
      continuation.interrupted = &interrupted;
      continuation.save = [&](const Checkpoint& c) {
        EXPECT_GE(c.domains, last);
        last = c.domains;
        saved = test::bytes_of(c);
      };
      continuation.due = [&] {
        if (++asked >= 4 + part / 8) interrupted = true;
        return asked % 3 == 2;
      };
      if (saved) continuation.resume = test::from_bytes(*saved);
      Result r = run(1 + part % 3, q, std::move(continuation));
      ++parts;
      if (r.reason != "interrupted") result = std::move(r);
    }
    EXPECT_EQ(result->verdict, one.verdict) << result->reason;
    test::expect_honest(q.graph, q.property, *result);
  }
  EXPECT_GT(parts, 30);
}

}  // namespace
}  // namespace coronet::search
