// Weights in memory: all of them, or a part on each rank.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "comm/communicator.h"
#include "comm/shards.h"
#include "graph/graph.h"

namespace coronet {

/// All weights come here, into memory.
void gather_weights(Graph& graph);

/// Bytes of all weights, wherever they are; what is held of them in memory.
std::size_t weight_bytes(const Graph& graph);
std::size_t weight_bytes_here(const Graph& graph);

/// A weight of which each rank holds a part.
class ShardedWeight final : public WeightSource {
 public:
  ShardedWeight(std::shared_ptr<const comm::Shards> shards, int array, std::size_t size,
                bool single)
      : shards_(std::move(shards)), array_(array), size_(size), single_(single) {}

  [[nodiscard]] std::size_t size() const override { return size_; }
  [[nodiscard]] bool single() const override { return single_; }
  [[nodiscard]] std::unique_ptr<Fetch> fetch(std::size_t first, std::size_t count) const override;
  [[nodiscard]] std::size_t bytes() const override { return shards_->bytes(array_); }
  [[nodiscard]] const std::shared_ptr<const comm::Shards>& shards() const { return shards_; }

 private:
  std::shared_ptr<const comm::Shards> shards_;
  int array_;
  std::size_t size_;
  bool single_;
};

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
