// The root of a box, and linear forms over it, bounded by ranks that share the neurons.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/options.h"
#include "base/resources.h"
#include "bound/root.h"
#include "bound/tensor/boxes.h"
#include "comm/channel.h"
#include "graph/graph.h"
#include "spec/mesh.h"
#include "spec/rank_report.h"

namespace coronet::bound {

/// What all ranks are to bound, as rank 0 has it.
struct TensorQuery {
  std::vector<double> lower, upper;  ///< the box, in graph order
  Method method = Method::kCrown;
  int iterations = 0;
  RowList forms;  ///< dense rows over the outputs; none for Method::kInterval
  OptimiseSettings form_settings;
  double seconds = 0;       ///< that all of it may take
  bool all_neurons = true;  ///< else those that are not known to be stable
};

/// What one rank needed for its share, over all queries so far.
struct TensorReport {
  std::uint64_t weight_bytes = 0;  ///< of its neurons, as they are and packed
  std::uint64_t work_bytes = 0;    ///< the most of its threads' buffers: A-matrices in passing
  std::uint64_t told_bytes = 0;    ///< that it told the others of its group
  std::uint64_t collectives = 0;   ///< how often its threads met others
  double collective_seconds = 0;   ///< of its threads, spent telling each other and waiting
};

/// And what was found.
struct FoundBounds {
  Bounds bounds;              ///< of the whole graph
  std::vector<double> forms;  ///< lower bounds
  bool timed_out = false;
  double seconds = 0;       ///< spent on the bounds of nodes
  double form_seconds = 0;  ///< and of forms
  MemoryUsage memory;       ///< of this rank
  /// Of this rank's GPU, by class, and "total" (Accelerator::memory()); empty without one.
  std::map<std::string, std::uint64_t> device_memory;
  std::vector<RankReport> ranks;     ///< empty where one rank was alone
  std::vector<TensorReport> shares;  ///< [ranks], empty where they do not share neurons
  std::string link;  ///< how the GPUs of those that share them reach each other; empty without GPUs
};

/// A rank's part in bounding what rank 0 asks for, one query after the other: roots of boxes, or
/// many boxes at once.
class TensorRun {
 public:
  /// All ranks at the same time: they meet, take rank 0's options (zones among them; each has its
  /// own threads and device, where all or none have one), and each takes its share of the graph,
  /// whose weights are gone then (those that are elsewhere it fetches, its share of them). Rank r
  /// is number r % mesh.tensor of its tensor group, and there are mesh.rows of them. `pack_bytes`:
  /// of packed weights of all ranks of a group. Throws as comm::Channel::receive does, and
  /// Error(kBadInput) where ranks differ, in having a device too, or there are fewer zones than
  /// asked for. Refers to the channel and to the graph.
  TensorRun(comm::Channel& channel, const Mesh& mesh, Graph& graph, const std::string& program,
            Options options, std::size_t pack_bytes);
  ~TensorRun();
  TensorRun(const TensorRun&) = delete;
  TensorRun& operator=(const TensorRun&) = delete;

  /// All ranks: is there another query? Rank 0's word.
  bool more(bool mine = false);
  /// All ranks: bounds what rank 0 asks for; `query` is null on the others. The result is whole on
  /// every rank.
  FoundBounds bound(const TensorQuery* query);
  /// Rank 0, where the others call answer().
  BoxBounds bound(const BoxQuery& query);
  /// As another rank: its part in whatever rank 0 asks for.
  void answer();
  /// So many boxes keep all ranks busy.
  [[nodiscard]] int boxes_at_once() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace coronet::bound
