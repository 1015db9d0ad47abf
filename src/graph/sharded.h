// Weights in memory: all of them, or a part on each rank.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "comm/communicator.h"
#include "comm/shards.h"
#include "graph/graph.h"

namespace coronet {

/// All weights come here, into memory.
void gather_weights(Graph& graph);

/// Bytes of all weights, wherever they are; what is held of them in memory.
std::size_t weight_bytes(const Graph& graph);
std::size_t weight_bytes_here(const Graph& graph);

/// What the ranks' parts of one graph's weights lie in.
class ShardedWeights {
 public:
  /// All ranks of the group together, with the same graph: each keeps of every dense weight and
  /// convolution the numbers that fall to it, bytes / P of each, and asks the others for the rest
  /// whenever it needs them. A weight that comes from a source is read where it falls to this rank,
  /// and nowhere else. Throws Error(kBadInput) where a rank has another graph. Refers to the
  /// group's channel; the graph's weights refer to this.
  ShardedWeights(Graph& graph, comm::Communicator& group);
  /// The same for one rank, which holds all.
  explicit ShardedWeights(Graph& graph);

  /// From now on what is on its way from others is counted there. Before anybody reads.
  void count_in(MemoryLedger* ledger) { shards_->count_in(ledger); }

  /// Seconds that threads of this rank have waited for others' weights.
  [[nodiscard]] double waited() const { return shards_->waited(); }
  /// Bytes that came from other ranks so far.
  [[nodiscard]] std::uint64_t fetched() const { return shards_->fetched(); }

 private:
  void give_up(Graph& graph);

  std::unique_ptr<comm::Channel> alone_;
  std::shared_ptr<comm::Shards> shards_;
};

}  // namespace coronet
