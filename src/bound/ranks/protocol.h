// The letters between the rank that leads and those that bound rows for it.
#pragma once

#include <cstdint>
#include <string>

#include "comm/communicator.h"
#include "graph/graph.h"

namespace coronet::bound {

/// What the leader broadcasts, followed by what belongs to it. Each order begins with the numbers
/// of the graphs that are needed no more.
enum class RankOrder : std::uint8_t {
  kReduce,  ///< number, parent's number, nodes' sizes in sum, parent's bounds: make a graph
  kRows,    ///< number, seconds left, settings, list, root: bound rows until there are no more
  kSearch,  ///< number, then what the search has to say: part in a turn of it (search/ranks/)
  kEnd,
};

/// The graph that was read has this number; those made of it count up from there.
inline constexpr int kWholeGraph = 0;

/// The tags below belong to rows; those from here on to whoever gives orders to search.
inline constexpr int kFirstSearchTag = 1 << 16;

/// Each worker of a rank asks for a part of the rows and tells with it what the last one brought.
inline constexpr int kAskTag = 0;
inline constexpr const char* kAskWords = "bounds of rows";
/// Worker w hears under this tag plus w.
inline constexpr int kGiveTag = 1;
inline constexpr const char* kGiveWords = "rows to bound";

struct RankQuestion {
  int worker = 0;
  int first = 0;  ///< the rows that come with it: none, if last is not larger
  int last = 0;
  double seconds = 0;  ///< that these took
  std::uint64_t peak_bytes = 0;
};

struct RankAnswer {
  int first = 0;  ///< the rows to bound: none are left, if last is not larger
  int last = 0;
};

/// Who a rank is.
struct RankIdentity {
  int workers = 0;
  std::string host;
  std::uint64_t peak_bytes = 0;  ///< of its process so far
};

/// Tells every rank who all are. Throws Error(kBadInput) on each, naming the first that differs
/// from rank 0, unless all have the same graph and the same program.
std::vector<RankIdentity> meet(comm::Communicator& ranks, const Graph& graph,
                               const std::string& program, int workers);

}  // namespace coronet::bound
