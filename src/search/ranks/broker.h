// The leader's side of a turn of a search over ranks: who has domains, who wants some, and when the
// turn is over.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/progress.h"
#include "comm/packet.h"
#include "search/judge.h"
#include "search/ranks/letters.h"
#include "search/rounds.h"
#include "search/turn.h"

namespace coronet::search {

/// What the letters of a turn may speak of.
template <class Item>
struct TurnSpace {
  SpaceOf<Item> items;
  int clauses = 0;              ///< of the turn
  std::vector<char> is_clause;  ///< [clauses of the property] is it one of the turn's?
  int inputs = 0;               ///< of the network
};

/// Item: Domain or BoxDomain.
template <class Item>
class Broker {
 public:
  /// `what`: that the turn is about. `open`: what it begins with. `before`: domains bounded earlier
  /// in it, for `teller`. The judge is the oracle. Refers to all.
  Broker(bound::Ranks& ranks, const TurnSpace<Item>& what, std::vector<Item>& open,
         const TurnWords& words, const Turn& turn, Judge& judge, std::int64_t before,
         Teller& teller, Tracer& tracer);

  /// Hands domains on until nothing is open anywhere, or until the turn must end or its state is to
  /// be saved; then gathers what is left in `open`, or witnesses of it (Turn::last). Ends when
  /// every member has ended; throws as comm::Channel::receive, and Error(kInternal) where a domain
  /// was lost on its way, or a letter cannot be what a member says at that point.
  void run();

  /// True once the turn ends: a round that is under way is of no more use.
  [[nodiscard]] const std::atomic<bool>& hurry() const { return hurry_; }

  /// After run(): is the state to be saved, and the turn to go on?
  [[nodiscard]] bool saves() const { return saves_; }
  /// Is the turn's time used up, but for what gathering took?
  [[nodiscard]] bool late() const { return late_; }
  /// Why something is open; empty where the state is to be saved, or a counterexample is known.
  [[nodiscard]] const std::string& reason() const { return reason_; }
  [[nodiscard]] std::int64_t bounded() const;
  /// Domains that stayed with the members, beside the witnesses of them in `open`.
  [[nodiscard]] std::int64_t left_behind() const { return left_behind_; }
  [[nodiscard]] std::size_t most_bytes() const { return most_bytes_; }
  /// [ranks]
  [[nodiscard]] const std::vector<Findings>& findings() const { return findings_; }

 private:
  struct Seen {
    bool dry = true;
    bool asked = false;  // for a share, which has not come yet
    bool done = false;
    MemberStanding standing;
    std::string stuck;
    std::int64_t given = 0;  // domains
    std::int64_t taken = 0;
  };

  void hear(int from, comm::Reader& news);
  void note_standing(Seen& member, comm::Reader& news) const;
  void judge(int from, comm::Reader& news);
  void end_of(int from, comm::Reader& news);
  void take(Seen& from, comm::Reader& news);
  [[nodiscard]] bool over();
  void stop();
  void deal();
  void hand_out(const std::vector<int>& to);
  void ask_for_shares(int dry);
  [[nodiscard]] bool nothing_open() const;
  [[nodiscard]] bool all_done() const;
  [[nodiscard]] std::size_t bytes() const;
  void tell();

  bound::Ranks& ranks_;
  const TurnSpace<Item>& what_;
  std::vector<Item>& open_;
  const TurnWords& words_;
  const Turn& turn_;
  Judge& judge_;
  const std::int64_t before_;
  Teller& teller_;
  Tracer& tracer_;
  std::vector<Seen> members_;  // [ranks]
  std::vector<Findings> findings_;
  bool stopped_ = false;
  std::atomic<bool> hurry_{false};  // the same, for another thread
  bool saves_ = false;
  bool late_ = false;
  std::string reason_;
  std::size_t most_bytes_ = 0;
  std::int64_t left_behind_ = 0;
};

}  // namespace coronet::search
