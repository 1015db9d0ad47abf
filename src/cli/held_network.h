// The network that a rank computes with, its weights where --weights says.
#pragma once

#include <memory>
#include <optional>

#include "base/memory_ledger.h"
#include "base/options.h"
#include "comm/channel.h"
#include "comm/communicator.h"
#include "graph/graph.h"
#include "graph/sharded.h"
#include "io/onnx.h"
#include "spec/mesh.h"

namespace coronet::cli {

class HeldNetwork {
 public:
  /// All ranks together; the channel is null where there is one. With --mesh auto, the weights go
  /// where rank 0's plan of bounds by rows says (plan/run_plan.h). With ranks that share neurons
  /// they stay in the file, for each rank to take its share (bound/tensor/). Throws
  /// Error(kOutOfMemory), saying what would help, where no plan fits, or the weights that this rank
  /// would hold are more than its memory.
  HeldNetwork(const Model& model, comm::Channel* channel, const Options& options,
              const Mesh& mesh = {});
  HeldNetwork(const HeldNetwork&) = delete;
  HeldNetwork& operator=(const HeldNetwork&) = delete;

  [[nodiscard]] const Graph& graph() const { return graph_; }
  /// For those who take weights out of it.
  [[nodiscard]] Graph& graph() { return graph_; }
  /// null: not with --weights fsdp
  [[nodiscard]] const ShardedWeights* sharded() const { return sharded_ ? &*sharded_ : nullptr; }
  /// Where what this rank holds is counted, these weights among it.
  [[nodiscard]] MemoryLedger& ledger() const { return *ledger_; }

 private:
  std::unique_ptr<MemoryLedger> ledger_ = std::make_unique<MemoryLedger>();
  Counted weights_;
  Graph graph_;
  std::optional<comm::Communicator> group_;
  std::optional<ShardedWeights> sharded_;
};

}  // namespace coronet::cli
