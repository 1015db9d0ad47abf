// The letters between the rank that leads and those that bound rows for it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/memory_ledger.h"
#include "comm/communicator.h"
#include "comm/packet.h"
#include "graph/graph.h"

namespace coronet::bound {

/// What the leader broadcasts, followed by what belongs to it. Each order begins with the numbers
/// of the graphs that are needed no more.
enum class RankOrder : std::uint8_t {
  kReduce,  ///< number, parent's number, nodes' sizes in sum, parent's bounds: make a graph
  kRows,    ///< number, on devices?, seconds left, settings, list, root: bound rows until there are
            ///< no more
  kSearch,  ///< number, then what the search has to say: part in a turn of it (search/ranks/)
  kEnd,     ///< tell_memory(), and leave
};

/// The graph that was read has this number; those made of it count up from there.
inline constexpr int kWholeGraph = 0;

/// The tags below belong to rows; those from here on to whoever gives orders to search.
inline constexpr int kFirstSearchTag = 1 << 16;

/// Each hand of a rank asks for a part of the rows, hears a Deal::Part (row_parts.h), and tells
/// with its next question what that one brought.
inline constexpr int kAskTag = 0;
inline constexpr const char* kAskWords = "bounds of rows";
/// Hand h hears under this tag plus h.
inline constexpr int kGiveTag = 1;
inline constexpr const char* kGiveWords = "rows to bound";

struct RankQuestion {
  int hand = 0;
  int first = 0;  ///< the rows that come with it: none, if last is not larger
  int last = 0;
  double seconds = 0;            ///< that these took
  std::uint64_t peak_bytes = 0;  ///< of its rank so far, as RankReport has them
  std::uint64_t device_bytes = 0;
  std::uint64_t fetched_bytes = 0;
  double fetch_seconds = 0;
};

/// Seconds that are left, which may be infinitely many.
double get_seconds(comm::Reader& reader);

/// Who a rank is.
struct RankIdentity {
  int workers = 0;
  std::string host;
  std::uint64_t peak_bytes = 0;    ///< of its process so far
  std::uint64_t weight_bytes = 0;  ///< at rest
};

/// Tells every rank who all are. Throws Error(kBadInput) on each, naming the first that differs
/// from rank 0, unless all have the same graph and the same program.
std::vector<RankIdentity> meet(comm::Communicator& ranks, const Graph& graph,
                               const std::string& program, int workers);

/// Tells every rank what each holds, and held at most: [ranks].
std::vector<MemoryUsage> tell_memory(comm::Communicator& ranks, const MemoryLedger* ledger);

}  // namespace coronet::bound
