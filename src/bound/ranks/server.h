// Rows dealt over ranks: the side of those that bound them for the leader, and take part in its
// search.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "bound/accelerator.h"
#include "bound/context.h"
#include "comm/communicator.h"
#include "graph/graph.h"
#include "graph/sharded.h"

namespace coronet::bound {

struct ServerSettings {
  std::string program;  ///< name and version: all ranks must run the same
  int workers = 1;      ///< of every context
  /// More than this in memory fails the run with kOutOfMemory.
  std::uint64_t memory_bytes = ~std::uint64_t{0};
  const Accelerator* accelerator = nullptr;  ///< that the contexts' devices are of
  const ShardedWeights* weights = nullptr;   ///< where it shares them
  MemoryLedger* ledger = nullptr;            ///< of what this rank holds; null: nobody counts
  /// A context for a graph, which outlives it.
  std::function<std::shared_ptr<Context>(const Graph&)> make;
  /// Takes part in a turn of a search on the context's graph, as the leader's order says.
  std::function<void(comm::Communicator&, Context&, const comm::Bytes& order)> search;
};

/// As any rank but 0: meets the others, bounds rows and searches until the leader ends. Throws what
/// the work throws and as comm::Channel::receive does, comm::RankLeft where the leader left before
/// it ended.
void serve_rows(comm::Communicator& group, const Graph& graph, const ServerSettings& settings);

}  // namespace coronet::bound
