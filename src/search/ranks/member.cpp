#include "search/ranks/member.h"

#include <optional>
#include <utility>
#include <vector>

#include "base/resources.h"
#include "bound/ranks/server.h"

namespace coronet::search {

namespace {

comm::Writer begin(News what) {
  comm::Writer news;
  news.put(what);
  return news;
}

}  // namespace

template <class Item>
void Member<Item>::run(Rounds<Item>& rounds) {
  bool dry = true;  // so the broker believes at the beginning
  for (;;) {
    const bool empty = rounds.count() == 0;
    if (empty && !std::exchange(dry, true)) {
      comm::Writer news = begin(News::kDry);
      news.put(done_.received);
      send(news);
    }
    const bool rests = empty || judge_.found() || deadline_.passed() || !rounds.stuck().empty();
    const double begin = elapsed_seconds();
    std::optional<comm::Letter> letter;
    if (rests) {
      letter = group_.receive(0, kCallTag, kCallWords);
      if (empty) done_.waited += elapsed_seconds() - begin;
    } else {
      letter = group_.receive(0, kCallTag, kCallWords, 0);
    }
    if (letter) {
      comm::Reader call(letter->bytes, 0);
      if (!hear(call, rounds)) return;
      dry = dry && rounds.count() == 0;
      continue;
    }
    require_resident_at_most(memory_bytes_);
    rounds.round();
    done_.busy += elapsed_seconds() - begin;
    tell_standing(rounds);
  }
}

template <class Item>
bool Member<Item>::hear(comm::Reader& call, Rounds<Item>& rounds) {
  switch (call.get<Call>()) {
    case Call::kTake: {
      std::vector<Item> items = get_items<Item>(call, space_);
      done_.received += static_cast<std::int64_t>(items.size());
      rounds.add(std::move(items));
      return true;
    }
    case Call::kShare: {
      const auto parts = call.get<int>();
      call.end();
      call.require(parts >= 2, "a share for nobody");
      const std::vector<Item> items = rounds.give(parts, kShareBytes);
      done_.sent += static_cast<std::int64_t>(items.size());
      done_.shared += static_cast<std::int64_t>(items.size());
      comm::Writer news = begin(News::kShare);
      put_items(items, news);
      send(news);
      tell_standing(rounds);
      return true;
    }
    case Call::kStop: {
      const bool all = call.get<bool>();
      call.end();
      end(rounds, all);
      return false;
    }
  }
  call.refuse("a call of no kind");
}

template <class Item>
void Member<Item>::end(Rounds<Item>& rounds, bool all) {
  done_.bounded = rounds.bounded();
  std::vector<Item> rest = all ? rounds.give_all() : rounds.witnesses();
  if (!all) done_.left_behind = static_cast<std::int64_t>(rounds.count() - rest.size());
  send_in_letters(std::move(rest), [&](const std::vector<Item>& items) {
    done_.sent += static_cast<std::int64_t>(items.size());
    comm::Writer news = begin(News::kRest);
    put_items(items, news);
    send(news);
  });
  done_.peak_bytes = peak_resident_bytes();
  const Findings findings = rounds.findings();
  comm::Writer news = begin(News::kDone);
  news.put(done_);
  news.put(findings.undecided);
  news.put(findings.best_attack);
  news.put(findings.attacks);
  send(news);
}

template <class Item>
void Member<Item>::tell_standing(const Rounds<Item>& rounds) {
  if (pace_.due()) {
    pace_.take([&] { standing_ = rounds.standing(); });
  }
  domains_.set(rounds.bytes());
  comm::Writer news = begin(News::kStanding);
  news.put(MemberStanding{rounds.count(), rounds.bytes(), rounds.bounded(), standing_});
  news.put(rounds.stuck());
  send(news);
}

template class Member<Domain>;
template class Member<BoxDomain>;

}  // namespace coronet::search
