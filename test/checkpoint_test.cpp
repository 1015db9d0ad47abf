// Searches that are interrupted and taken up again, and checkpoints that must not be trusted.
#include "search/checkpoint.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <filesystem>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/resources.h"
#include "folder.h"
#include "graph/evaluate.h"
#include "graphs.h"
#include "hard_queries.h"
#include "io/file.h"
#include "queries.h"
#include "search/verify.h"

namespace coronet::search {
namespace {

using test::add_pair;
using test::bytes_of;
using test::Draw;
using test::expect_honest;
using test::from_bytes;
using test::low_outputs;
using test::options_of;
using test::queries;
using test::Query;

Result run(const Query& query, Continuation continuation) {
  Options options = query.options;
  options.timeout = elapsed_seconds() + 5;
  Tracer tracer;
  return verify(query.graph, query.property, test::as_exact(query.graph), options, tracer,
                std::move(continuation));
}

/// What a kill leaves behind: nothing of what the process knew.
struct Killed {};

/// One run of a query in parts.
class Parts {
 public:
  /// Each part ends when it has been asked so often whether the state is to be saved; with `kill`,
  /// it ends there and then, so that it goes on from what was saved a few rounds before.
  Parts(const Query& query, int length, bool kill) : query_(query), length_(length), kill_(kill) {}

  Result run() {
    for (;;) {
      ++count_;
      std::atomic<bool> interrupted = false;
      int asked = 0;
      Continuation continuation;
      continuation.interrupted = &interrupted;
      continuation.save = [&](const Checkpoint& c) { saved_ = bytes_of(c); };
      continuation.due = [&] {
        // Ever longer parts end, however much of each is spent before its first round.
        const bool end = ++asked >= length_ + count_ / 8;
        if (end && kill_) throw Killed();
        if (end) interrupted = true;
        return kill_ && asked % 3 == 2;
      };
      if (saved_) continuation.resume = from_bytes(*saved_);
      try {
        Result result = search::run(query_, std::move(continuation));
        expect_honest(query_.graph, query_.property, result);
        if (result.reason != "interrupted") return result;
        EXPECT_EQ(result.verdict, Verdict::kUnknown);
        EXPECT_TRUE(saved_.has_value());
      } catch (const Killed&) {
      }
    }
  }

  [[nodiscard]] int count() const { return count_; }
  [[nodiscard]] const std::optional<std::string>& saved() const { return saved_; }

 private:
  const Query& query_;
  int length_;
  bool kill_;
  int count_ = 0;
  std::optional<std::string> saved_;
};

TEST(Checkpoint, PartsEndAsOneRunDoes) {
  int parts = 0;
  for (const Query& q : queries()) {
    SCOPED_TRACE(q.name);
    const Result whole = run(q, {});
    ASSERT_TRUE(whole.verdict == Verdict::kHolds || whole.verdict == Verdict::kViolated);
    const bool repeats = !q.options.refine && q.options.branch != "auto";
    for (const int length : {2, 7}) {
      for (const bool kill : {false, true}) {
        SCOPED_TRACE(std::to_string(length) + (kill ? " killed" : ""));
        Parts run(q, length + (kill ? 3 : 0), kill);
        const Result result = run.run();
        EXPECT_EQ(result.verdict, whole.verdict);
        parts += run.count();
        if (!repeats || whole.verdict != Verdict::kHolds) continue;
        // What was bounded after the last write does not count.
        EXPECT_LE(static_cast<double>(result.domains),
                  1.1 * static_cast<double>(whole.domains) + 8);
      }
    }
  }
  EXPECT_GT(parts, 500);
}

/// What a run of the query leaves after a few rounds.
std::string begun(const Query& q) {
  std::string bytes;
  std::atomic<bool> interrupted = false;
  int asked = 0;
  Continuation continuation;
  continuation.interrupted = &interrupted;
  continuation.save = [&](const Checkpoint& c) { bytes = bytes_of(c); };
  continuation.due = [&] {
    if (++asked == 12) interrupted = true;
    return false;
  };
  EXPECT_EQ(run(q, std::move(continuation)).reason, "interrupted");
  return bytes;
}

/// One search over neurons with several boxes and multipliers, and one over inputs.
std::vector<Query> two_kinds() {
  std::vector<Query> all;
  all.push_back(
      low_outputs("neurons", test::mlp(10, 6, 3, 12, 2), 2, 0.4, 0.2, options_of("relu"), 0));
  add_pair(all.back());
  all.push_back(
      low_outputs("inputs", test::mlp(20, 3, 3, 12, 2), 2, 0.6, 0.05, options_of("input"), 0));
  return all;
}

void expect_bad(const std::function<void()>& f) {
  try {
    f();
    ADD_FAILURE() << "not refused";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kBadInput) << error.what();
  }
}

TEST(Checkpoint, EveryDamagedFileIsRefused) {
  for (const Query& q : two_kinds()) {
    SCOPED_TRACE(q.name);
    const std::string bytes = begun(q);
    ASSERT_GT(bytes.size(), 1000U);
    EXPECT_EQ(bytes_of(from_bytes(bytes)), bytes);
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      SCOPED_TRACE(i);
      std::string damaged = bytes;
      damaged[i] = static_cast<char>(damaged[i] ^ (1 << (i % 8)));
      expect_bad([&] { from_bytes(damaged); });
      if (i % 7 == 0) expect_bad([&] { from_bytes(bytes.substr(0, i)); });
      if (testing::Test::HasFailure()) return;
    }
    expect_bad([&] { from_bytes(bytes + '\0'); });
    expect_bad([&] { from_bytes(bytes + bytes); });
    expect_bad([&] { from_bytes(""); });
  }
}

// With a checksum that is right, what cannot be is refused all the same.
TEST(Checkpoint, NumbersThatCannotBeAreRefused) {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  using Change = std::function<void(Checkpoint&)>;
  const std::vector<std::pair<std::string, Change>> any{
      {"network", [](Checkpoint& c) { ++c.identity.network; }},
      {"property", [](Checkpoint& c) { ++c.identity.property; }},
      {"options", [](Checkpoint& c) { c.identity.options += "x"; }},
      {"clauses", [](Checkpoint& c) { c.clauses.pop_back(); }},
      {"bound", [](Checkpoint& c) { c.clauses[0].bound = kNan; }},
      {"attack", [](Checkpoint& c) { c.best_attack.pop_back(); }},
      {"seconds", [](Checkpoint& c) { c.seconds = kNan; }},
  };
  const auto domain = [](const std::function<void(Domain&)>& f) -> Change {
    return [f](Checkpoint& c) { f(c.box->tree.open.back()); };
  };
  const std::vector<std::pair<std::string, Change>> of_neurons{
      {"box", [](Checkpoint& c) { c.box->box = 2; }},
      {"NaN", [](Checkpoint& c) { c.box->bounds.lo[2][0] = kNan; }},
      {"crossed", [](Checkpoint& c) { c.box->bounds.lo[2][0] = c.box->bounds.hi[2][0] + 1; }},
      {"contradiction",
       [](Checkpoint& c) { c.box->bounds.lo[1][0] = c.box->bounds.hi[1][0] = 1e6; }},
      {"nodes", [](Checkpoint& c) { c.box->bounds.lo.pop_back(); }},
      {"open clause", [](Checkpoint& c) { c.clauses[c.box->clauses[0]].decided_by = "crown"; }},
      {"undecided", [](Checkpoint& c) { c.box->tree.undecided[0] = 2; }},
      {"kept",
       [](Checkpoint& c) {
         c.box->kept[2] = {1, 0};
       }},
      {"free", [](Checkpoint& c) { c.box->tree.free[2] = {100}; }},
      {"free node", [](Checkpoint& c) { c.box->tree.free[1] = {0}; }},
      {"objective", domain([](Domain& d) { d.objective = 7; })},
      {"multipliers", domain([](Domain& d) { d.lambda.push_back(1); })},
      {"node", domain([](Domain& d) { d.decisions.at(0).node = 1; })},
      {"far node", domain([](Domain& d) { d.decisions.at(0).node = -5; })},
      {"neuron", domain([](Domain& d) { d.decisions.at(0).neuron = 1 << 20; })},
      {"sign", domain([](Domain& d) { d.decisions.at(0).sign = 0; })},
      {"beta", domain([](Domain& d) { d.decisions.at(0).beta = -1; })},
      {"slopes", domain([](Domain& d) { d.alpha.push_back(0); })},
      {"split", domain([](Domain& d) { d.split_node = 0; })},
  };
  const auto box = [](const std::function<void(BoxDomain&)>& f) -> Change {
    return [f](Checkpoint& c) { f(c.inputs->open.back()); };
  };
  const std::vector<std::pair<std::string, Change>> of_inputs{
      {"outside", box([](BoxDomain& d) { d.upper[0] = 1e6; })},
      {"empty", box([](BoxDomain& d) { d.lower[0] = d.upper[0] + 1e-3; })},
      {"NaN", box([](BoxDomain& d) { d.lower[0] = kNan; })},
      {"inputs", box([](BoxDomain& d) { d.lower.pop_back(); })},
      {"clause", box([](BoxDomain& d) { d.clauses = {99}; })},
      {"no clause", box([](BoxDomain& d) { d.clauses.clear(); })},
      {"two boxes", box([](BoxDomain& d) {
         d.clauses = {0, 2};
       })},
      {"not planted", [](Checkpoint& c) { c.inputs->planted = false; }},
  };
  const std::vector<Query> kinds = two_kinds();
  for (std::size_t kind = 0; kind < 2; ++kind) {
    const std::string bytes = begun(kinds[kind]);
    auto changes = any;
    const auto& more = kind == 0 ? of_neurons : of_inputs;
    changes.insert(changes.end(), more.begin(), more.end());
    for (const auto& [name, change] : changes) {
      SCOPED_TRACE(kinds[kind].name + ": " + name);
      expect_bad([&, &f = change] {
        Continuation continuation;
        continuation.resume = from_bytes(bytes);
        f(*continuation.resume);
        continuation.resume = from_bytes(bytes_of(*continuation.resume));
        run(kinds[kind], std::move(continuation));
      });
    }
  }
}

TEST(Checkpoint, FilesAreWholeOrAsBefore) {
  const test::Folder folder;
  const Query q = two_kinds()[0];
  const Checkpoint checkpoint = from_bytes(begun(q));
  write_checkpoint(folder.file("state"), checkpoint);
  EXPECT_EQ(read_file(folder.file("state")), bytes_of(checkpoint));
  EXPECT_EQ(bytes_of(read_checkpoint(folder.file("state"))), bytes_of(checkpoint));
  EXPECT_THROW(write_file(folder.file("state"),
                          [](const std::function<void(std::string_view)>& write) {
                            write("half");
                            throw Killed();
                          }),
               Killed);
  EXPECT_EQ(read_file(folder.file("state")), bytes_of(checkpoint));
  check_writable(folder.file("state"));
  check_writable(folder.file("other"));
  EXPECT_EQ(folder.count(), 1U);
  expect_bad([&] { check_writable(folder.file("none/state")); });
  expect_bad([&] { read_checkpoint(folder.file("none")); });
  expect_bad([&] { read_checkpoint("/dev/null"); });
}

}  // namespace
}  // namespace coronet::search
