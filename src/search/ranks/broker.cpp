#include "search/ranks/broker.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <type_traits>
#include <utility>

#include "base/error.h"
#include "bound/ranks/leader.h"

namespace coronet::search {

namespace {

/// Seconds between two looks at the clock where nothing is heard.
constexpr double kTick = 0.05;

/// Bytes a second that what is open comes back with at the end of a turn, at least: a turn ends so
/// much sooner that all is here at its deadline.
constexpr double kGathered = 3e8;

}  // namespace

template <class Item>
Broker<Item>::Broker(bound::Ranks& ranks, const TurnSpace<Item>& what, std::vector<Item>& open,
                     const TurnWords& words, const Turn& turn, Judge& judge, std::int64_t before,
                     Teller& teller, Tracer& tracer)
    : ranks_(ranks),
      what_(what),
      open_(open),
      words_(words),
      turn_(turn),
      judge_(judge),
      before_(before),
      teller_(teller),
      tracer_(tracer),
      members_(ranks.group().size()),
      findings_(members_.size()) {}

template <class Item>
void Broker<Item>::run() {
  while (!all_done()) {
    if (!stopped_) {
      most_bytes_ = std::max(most_bytes_, bytes());
      if (over()) {
        stop();
      } else {
        deal();
      }
    }
    const auto letter = ranks_.group().receive(comm::kAny, kNewsTag, kNewsWords, kTick);
    if (letter) {
      comm::Reader news(letter->bytes, letter->from);
      hear(letter->from, news);
    }
    tell();
  }
}

template <class Item>
void Broker<Item>::hear(int from, comm::Reader& news) {
  Seen& member = members_[from];
  news.require(!member.done, "it comes after the last one of the turn");
  switch (news.get<News>()) {
    case News::kStanding:
      note_standing(member, news);
      return;
    case News::kDry: {
      const auto received = news.get<std::int64_t>();
      news.end();
      news.require(received >= 0 && received <= member.given, "a count of domains");
      // It was faster than what is still on its way to it.
      if (received < member.given) return;
      member.dry = true;
      const std::int64_t bounded = member.standing.bounded;
      member.standing = {};
      member.standing.bounded = bounded;
      return;
    }
    case News::kShare:
      news.require(member.asked, "a share that was not asked for");
      member.asked = false;
      take(member, news);
      return;
    case News::kPoint:
      judge(from, news);
      return;
    case News::kRest:
      news.require(stopped_, "what is left, before the end");
      take(member, news);
      return;
    case News::kDone:
      news.require(stopped_, "an end before the end");
      end_of(from, news);
      return;
  }
  news.refuse("news of no kind");
}

template <class Item>
void Broker<Item>::note_standing(Seen& member, comm::Reader& news) const {
  const auto standing = news.get<MemberStanding>();
  const auto stuck = news.get<std::string>();
  news.end();
  news.require(standing.bounded >= member.standing.bounded, "fewer domains than before");
  const int row = standing.standing.worst_row;
  news.require(row >= -1 && row < static_cast<int>(what_.is_clause.size()), "a clause");
  member.standing = standing;
  member.stuck = stuck;
}

template <class Item>
void Broker<Item>::take(Seen& from, comm::Reader& news) {
  std::vector<Item> items = get_items<Item>(news, what_.items);
  from.taken += static_cast<std::int64_t>(items.size());
  std::move(items.begin(), items.end(), std::back_inserter(open_));
}

template <class Item>
void Broker<Item>::judge(int from, comm::Reader& news) {
  const auto clause = news.get<int>();
  const auto x = news.get<std::vector<float>>();
  news.end();
  news.require(clause >= 0 && clause < static_cast<int>(what_.is_clause.size()) &&
                   what_.is_clause[clause] != 0,
               "a point for a clause that is not asked for");
  news.require(x.size() == static_cast<std::size_t>(what_.inputs),
               "a point of another number of inputs");
  // The oracle moves each coordinate into the clause's box and evaluates the point anew.
  const bool found = judge_.offer(clause, x.data());
  comm::Writer answer;
  answer.put(found);
  answer.put(judge_.known());
  ranks_.group().send(from, kVerdictTag, kVerdictWords, answer.take());
}

template <class Item>
void Broker<Item>::end_of(int from, comm::Reader& news) {
  Seen& member = members_[from];
  const auto done = news.get<MemberDone>();
  Findings findings;
  news.get(findings.undecided);
  news.get(findings.best_attack);
  news.get(findings.attacks);
  news.end();
  news.require(done.bounded >= member.standing.bounded && done.shared >= 0 &&
                   done.sent >= done.shared && done.left_behind >= 0,
               "a count of domains");
  // A clause whose undecided domains were not told of would count as refuted.
  const auto clauses = static_cast<std::size_t>(std::is_same_v<Item, Domain> ? what_.clauses : 0);
  news.require(findings.undecided.size() == clauses && findings.best_attack.size() == clauses &&
                   std::all_of(findings.undecided.begin(), findings.undecided.end(),
                               [](char c) { return c == 0 || c == 1; }) &&
                   std::none_of(findings.best_attack.begin(), findings.best_attack.end(),
                                [](double v) { return std::isnan(v); }),
               "other clauses than it was given");
  if (done.received != member.given || done.sent != member.taken) {
    throw Error(ErrorKind::kInternal,
                fmt::format("domains were lost: {} went to rank {} and {} arrived, it sent {} and "
                            "{} arrived",
                            member.given, from, done.received, done.sent, member.taken));
  }
  // A clause without a domain counts as refuted.
  if (done.left_behind > 0 && done.sent == done.shared) {
    throw Error(ErrorKind::kInternal,
                fmt::format("rank {} keeps {} domains and sent no witness of them", from,
                            done.left_behind));
  }
  left_behind_ += done.left_behind;
  findings_[from] = std::move(findings);
  member.done = true;
  member.standing = {};
  member.standing.bounded = done.bounded;
  RankReport& report = ranks_.report(from);
  report.domains += done.bounded;
  report.handed_over += done.shared;
  report.seconds += done.busy * report.threads;
  report.waited += done.waited;
  report.peak_bytes = std::max(report.peak_bytes, done.peak_bytes);
}

/// In the order in which one rank alone asks (drive()).
template <class Item>
bool Broker<Item>::over() {
  if (nothing_open() || judge_.found()) return true;
  // Not before something was done: whoever saves at every occasion gets on, too.
  if (bounded() > 0 && turn_.saving.due && turn_.saving.due()) {
    saves_ = true;
    return true;
  }
  const double gathering = turn_.last ? 0 : static_cast<double>(bytes()) / kGathered;
  late_ = turn_.deadline.passed() || turn_.deadline.left() < gathering;
  if (late_) reason_ = words_.late;
  for (const Seen& member : members_) {
    if (reason_.empty()) reason_ = member.stuck;
  }
  if (reason_.empty() && bytes() > turn_.memory_bytes) reason_ = words_.full;
  return !reason_.empty();
}

template <class Item>
void Broker<Item>::stop() {
  stopped_ = true;
  hurry_ = true;
  comm::Communicator& group = ranks_.group();
  for (int r = 0; r < group.size(); ++r) {
    if (r != 0) group.send(r, kHurryTag, kHurryWords, {});
    comm::Writer call;
    call.put(Call::kStop);
    call.put(!(late_ && turn_.last));
    group.send(r, kCallTag, kCallWords, call.take());
  }
}

template <class Item>
void Broker<Item>::deal() {
  std::vector<int> dry;
  for (std::size_t r = 0; r < members_.size(); ++r) {
    if (members_[r].dry) dry.push_back(static_cast<int>(r));
  }
  if (dry.empty()) return;
  if (open_.empty()) {
    ask_for_shares(static_cast<int>(dry.size()));
  } else {
    hand_out(dry);
  }
}

/// By turns, so that each gets old ones, with much below them, and new ones.
template <class Item>
void Broker<Item>::hand_out(const std::vector<int>& to) {
  std::vector<std::vector<Item>> share(to.size());
  for (std::size_t i = 0; i < open_.size(); ++i) {
    share[i % to.size()].push_back(std::move(open_[i]));
  }
  open_.clear();
  for (std::size_t k = 0; k < to.size(); ++k) {
    if (share[k].empty()) continue;
    Seen& member = members_[to[k]];
    member.dry = false;
    member.standing.open = share[k].size();
    member.standing.bytes = bytes_of(share[k]);
    member.given += static_cast<std::int64_t>(share[k].size());
    send_in_letters(std::move(share[k]), [&](const std::vector<Item>& items) {
      comm::Writer call;
      call.put(Call::kTake);
      put_items(items, call);
      ranks_.group().send(to[k], kCallTag, kCallWords, call.take());
    });
  }
}

/// From those that have most, as many as have none.
template <class Item>
void Broker<Item>::ask_for_shares(int dry) {
  int asked = 0;
  for (const Seen& member : members_) asked += member.asked ? 1 : 0;
  for (; asked < dry; ++asked) {
    Seen* richest = nullptr;
    for (Seen& member : members_) {
      if (member.dry || member.asked || member.standing.open < 2) continue;
      if (richest == nullptr || member.standing.open > richest->standing.open) richest = &member;
    }
    if (richest == nullptr) return;
    richest->asked = true;
    comm::Writer call;
    call.put(Call::kShare);
    call.put(dry + 1);
    ranks_.group().send(static_cast<int>(richest - members_.data()), kCallTag, kCallWords,
                        call.take());
  }
}

template <class Item>
bool Broker<Item>::nothing_open() const {
  return open_.empty() && std::all_of(members_.begin(), members_.end(),
                                      [](const Seen& m) { return m.dry && !m.asked; });
}

template <class Item>
bool Broker<Item>::all_done() const {
  return std::all_of(members_.begin(), members_.end(), [](const Seen& m) { return m.done; });
}

template <class Item>
std::int64_t Broker<Item>::bounded() const {
  std::int64_t sum = 0;
  for (const Seen& member : members_) sum += member.standing.bounded;
  return sum;
}

template <class Item>
std::size_t Broker<Item>::bytes() const {
  std::size_t sum = bytes_of(open_);
  for (const Seen& member : members_) sum += member.standing.bytes;
  return sum;
}

template <class Item>
void Broker<Item>::tell() {
  std::size_t open = open_.size();
  for (const Seen& member : members_) open += member.standing.open;
  const auto standing = [&] {
    Standing least = members_[0].standing.standing;
    for (const Seen& member : members_) {
      const Standing& s = member.standing.standing;
      least.best_attack = std::min(least.best_attack, s.best_attack);
      if (s.bound >= least.bound) continue;
      least.bound = s.bound;
      least.worst_row = s.worst_row;
    }
    return least;
  };
  teller_.tell(words_.phase, open, before_ + bounded(), standing, tracer_);
}

template class Broker<Domain>;
template class Broker<BoxDomain>;

}  // namespace coronet::search
