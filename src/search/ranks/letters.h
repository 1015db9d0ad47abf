// What ranks tell each other in a turn of a search: each of them, the leader among them, is a
// member that works on domains of its own; a broker at the leader hears from all, hands domains on
// and says when the turn is over.
//
// A domain is always in one place: with a member, with the broker, or in a letter between the two.
// Members that have none say so and wait; the broker sends domains to those alone, and asks those
// that have many for a share. So once every member waits, the broker has nothing and no share is
// due, nothing is open anywhere. Letters of one tag between two ranks keep their order; each turn
// ends with kStop to every member and kDone from it, and leaves no letter behind.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "bound/ranks/protocol.h"
#include "comm/packet.h"
#include "io/bytes.h"
#include "search/domain_bytes.h"
#include "search/fits.h"
#include "search/rounds.h"

namespace coronet::search {

/// What an order to search begins with; the seconds left of the run follow, then what belongs to
/// it.
enum class SearchOrder : std::uint8_t {
  kNeurons,  ///< a turn of branch and bound over neurons
  kBoxes,    ///< a turn of input splitting
  kRefine,   ///< bounds of single neurons, made tighter
};

/// Members to the broker: News, then what belongs to it.
inline constexpr int kNewsTag = bound::kFirstSearchTag;
inline constexpr const char* kNewsWords = "news of domains";
enum class News : std::uint8_t {
  kStanding,  ///< MemberStanding, why it is stuck: after each round
  kDry,       ///< how many domains it has received in the turn: it waits for more
  kShare,     ///< domains, as asked for; none where it has too few
  kPoint,     ///< clause, x: a candidate, which kVerdictTag answers
  kRest,      ///< some of the domains that a stopped member has left, or its witnesses
  kDone,      ///< MemberDone, Findings: after kStop and all of kRest
};

/// The broker to members: Call, then what belongs to it.
inline constexpr int kCallTag = bound::kFirstSearchTag + 1;
inline constexpr const char* kCallWords = "domains";
enum class Call : std::uint8_t {
  kTake,   ///< domains to work on
  kShare,  ///< parts: give all but one of so many away
  kStop,   ///< the turn is over; bool: is all that is open wanted, or but witnesses of it?
};

/// The broker to the other ranks' members: two bools, what Judge::offer said and Judge::known says.
inline constexpr int kVerdictTag = bound::kFirstSearchTag + 2;
inline constexpr const char* kVerdictWords = "the verdict on a point";

/// The broker to the other ranks' members, just before kStop, so that it is heard in the middle of
/// a round.
inline constexpr int kHurryTag = bound::kFirstSearchTag + 3;
inline constexpr const char* kHurryWords = "the end of a turn";

/// Of the neurons of kRefine, rank r takes r, r + ranks, ... and sends RefinedPart and their
/// bounds.
inline constexpr int kRefinedTag = bound::kFirstSearchTag + 4;
inline constexpr const char* kRefinedWords = "tighter bounds";
struct RefinedPart {
  std::int64_t domains = 0;
  double busy = 0;  ///< seconds
  std::uint64_t peak_bytes = 0;
};

struct MemberStanding {
  std::uint64_t open = 0;
  std::uint64_t bytes = 0;  ///< that these take
  std::int64_t bounded = 0;
  Standing standing;
};

struct MemberDone {
  std::int64_t bounded = 0;
  std::int64_t received = 0;  ///< domains
  std::int64_t sent = 0;      ///< domains, those of kRest among them
  std::int64_t shared = 0;    ///< domains, by kShare
  /// Domains that nobody wanted: those sent as kRest stand for them.
  std::int64_t left_behind = 0;
  double busy = 0;    ///< seconds in rounds
  double waited = 0;  ///< seconds without a domain
  std::uint64_t peak_bytes = 0;
};

/// What a share is limited to; and what a letter takes of many domains, about: small enough that
/// one is read while the next one is written.
inline constexpr std::size_t kShareBytes = std::size_t{16} << 20;
inline constexpr std::size_t kLetterBytes = std::size_t{1} << 20;

/// The last thing of a letter.
template <class Item>
void put_items(const std::vector<Item>& items, comm::Writer& letter) {
  ByteWriter out([&](std::string_view piece) { letter.put_rest(piece.data(), piece.size()); });
  put_items(items, out);
  out.finish();
}

/// Throws Error(kInternal) where they were damaged on their way, or are not of that search.
template <class Item>
std::vector<Item> get_items(comm::Reader& letter, const SpaceOf<Item>& space) {
  const std::span<const std::byte> rest = letter.rest();
  ByteReader in("it", {reinterpret_cast<const char*>(rest.data()), rest.size()});
  std::vector<Item> items;
  try {
    items = get_items<Item>(in);
    in.finish();
  } catch (const Error& error) {
    letter.refuse(error.what());
  }
  for (const Item& item : items) {
    const char* const what = space.misfit(item);
    letter.require(what == nullptr, what);
  }
  return items;
}

/// Calls send(items) for one letter's worth of them after another.
template <class Item, class Send>
void send_in_letters(std::vector<Item> items, const Send& send) {
  std::vector<Item> letter;
  std::size_t bytes = 0;
  for (Item& item : items) {
    bytes += item.bytes();
    letter.push_back(std::move(item));
    if (bytes < kLetterBytes) continue;
    send(std::exchange(letter, {}));
    bytes = 0;
  }
  if (!letter.empty()) send(letter);
}

}  // namespace coronet::search
