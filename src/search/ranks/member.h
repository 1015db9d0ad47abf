// One rank's part in a turn of a search.
#pragma once

#include <cstdint>

#include "base/memory_ledger.h"
#include "base/resources.h"
#include "comm/communicator.h"
#include "search/judge.h"
#include "search/ranks/letters.h"
#include "search/rounds.h"
#include "search/turn.h"

namespace coronet::search {

/// Item: Domain or BoxDomain.
template <class Item>
class Member {
 public:
  /// `space`: what the turn's domains may speak of. No round begins after the deadline. More than
  /// `memory_bytes` in the process's memory fail all ranks with kOutOfMemory. `ledger` counts the
  /// domains that it has; null: nobody does. Refers to all.
  Member(comm::Communicator& group, const SpaceOf<Item>& space, const Judge& judge,
         const Deadline& deadline, std::uint64_t memory_bytes, MemoryLedger* ledger)
      : group_(group),
        space_(space),
        judge_(judge),
        deadline_(deadline),
        memory_bytes_(memory_bytes),
        domains_(ledger, MemoryClass::kDomains) {}

  /// Works on the domains that the broker hands over, beginning with none, until it says that the
  /// turn is over; gives back what is open then, as far as that is wanted. Throws what the rounds
  /// do, and as comm::Channel::receive.
  void run(Rounds<Item>& rounds);

 private:
  /// False where the turn is over.
  bool hear(comm::Reader& call, Rounds<Item>& rounds);
  void send(comm::Writer& news) { group_.send(0, kNewsTag, kNewsWords, news.take()); }
  void tell_standing(const Rounds<Item>& rounds);
  void end(Rounds<Item>& rounds, bool all);

  comm::Communicator& group_;
  const SpaceOf<Item>& space_;
  const Judge& judge_;
  const Deadline& deadline_;
  const std::uint64_t memory_bytes_;
  Counted domains_;
  MemberDone done_;
  Standing standing_;
  Pace pace_;
};

}  // namespace coronet::search
