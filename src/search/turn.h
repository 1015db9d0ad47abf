// A turn of a search: rounds until nothing is open, a counterexample is known, or time or memory is
// used up.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "base/progress.h"
#include "base/resources.h"
#include "search/judge.h"
#include "search/rounds.h"

namespace coronet::bound {
class Ranks;
}

namespace coronet::search {

/// How the state of a search is kept between two rounds; of functions that may be null.
struct Saving {
  std::function<bool()> due;                       ///< from any thread
  std::function<void(std::int64_t bounded)> save;  ///< so many were bounded in this turn
};

struct Turn {
  const Deadline& deadline;
  std::size_t memory_bytes;  ///< of what is open, on all ranks
  Saving saving;
  bound::Ranks* ranks = nullptr;  ///< null: this one alone
  /// Nothing follows its deadline: what is open on other ranks then need not come back.
  bool last = false;
};

/// What a kind of search says of itself.
struct TurnWords {
  const char* phase;  ///< in Progress
  const char* late;
  const char* full;
};

struct TurnEnd {
  std::string reason;        ///< why something is open, unless a counterexample is known
  std::int64_t bounded = 0;  ///< domains, or boxes
  std::size_t bytes = 0;     ///< most that what was open took
  /// Items that stayed with the ranks, beside those that stand for them in the list.
  std::int64_t left_behind = 0;
};

/// When to look through all that is open, which takes its time where that is millions of domains:
/// the longer it takes, the more seldom.
class Pace {
 public:
  [[nodiscard]] bool due() const { return elapsed_seconds() > next_; }
  template <class Look>
  void take(const Look& look) {
    const double begin = elapsed_seconds();
    look();
    const double end = elapsed_seconds();
    next_ = end + std::max(kEvery, kTimes * (end - begin));
  }

 private:
  static constexpr double kEvery = 0.2;  ///< seconds
  static constexpr double kTimes = 50;   ///< what it takes

  double next_ = elapsed_seconds() + kEvery;
};

/// Tells a tracer now and then how a search gets on.
class Teller {
 public:
  /// `standing()` is asked for where it is time to tell.
  template <class Ask>
  void tell(const char* phase, std::size_t open, std::int64_t bounded, const Ask& standing,
            Tracer& tracer) {
    if (!pace_.due()) return;
    pace_.take([&] {
      const Standing s = standing();
      Progress p;
      p.phase = phase;
      p.elapsed = elapsed_seconds();
      p.open = static_cast<std::int64_t>(open);
      p.closed = bounded;
      p.domains_per_second = static_cast<double>(bounded) / (p.elapsed - began_);
      p.memory = resident_bytes();
      p.best_attack = s.best_attack;
      p.bound = s.bound;
      p.worst_row = s.worst_row;
      tracer.progress(p);
    });
  }

 private:
  double began_ = elapsed_seconds();
  Pace pace_;
};

/// One rank alone.
template <class Item>
TurnEnd drive(Rounds<Item>& rounds, const TurnWords& words, const Turn& turn, const Judge& judge,
              Tracer& tracer) {
  TurnEnd end;
  Teller teller;
  while (rounds.count() > 0 && !judge.found()) {
    if (turn.saving.due && turn.saving.due()) turn.saving.save(rounds.bounded());
    end.bytes = std::max(end.bytes, rounds.bytes());
    if (turn.deadline.passed()) end.reason = words.late;
    if (end.reason.empty()) end.reason = rounds.stuck();
    if (end.reason.empty() && rounds.bytes() > turn.memory_bytes) end.reason = words.full;
    if (!end.reason.empty()) break;
    rounds.round();
    teller.tell(
        words.phase, rounds.count(), rounds.bounded(), [&] { return rounds.standing(); }, tracer);
  }
  end.bounded = rounds.bounded();
  return end;
}

}  // namespace coronet::search
