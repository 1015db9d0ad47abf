// What a run will hold on each rank, tell the others, and take: a value made before any rank runs.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/memory_ledger.h"
#include "bound/root.h"
#include "bound/row_memory.h"
#include "cuda/arena.h"
#include "graph/graph.h"
#include "plan/cost_model.h"
#include "spec/mesh.h"

namespace coronet::plan {

/// Where each rank has the weights: --weights.
enum class Place { kReplicated, kSharded, kStreamed };
/// "replicated", "fsdp", "stream".
const char* name_of(Place place);

/// A run of `coronet bounds`, or the root of one of `coronet verify`, on CPUs whose ranks share
/// rows, or neurons too.
struct Question {
  int ranks = 1;
  int tensor = 1;   ///< of these, so many share the neurons of every node
  int zones = 0;    ///< and do not speak inside so many zones
  int threads = 1;  ///< of each rank
  bound::Method method = bound::Method::kCrown;
  int iterations = 0;       ///< of alpha, for the rows of nodes
  int spec_iterations = 0;  ///< and for the forms
  int forms = 1;            ///< dense rows over the outputs
  bool input_terms = false;
  double chunk_mib = 24;
  /// Ranks of one host read each other's weights from their memory; others send letters.
  bool one_host = true;
  bool processes = false;  ///< ranks are processes, not threads of one
  /// [nodes][size] at a point of the box, or empty: which neurons are dead about, for networks with
  /// convolutions.
  bound::RowForecast::Values values;
  std::uint64_t memory = 0;  ///< bytes that a rank may use, or its GPU; 0: no limit
  CostModel cost;

  bool device = false;          ///< a rank has a GPU (device_plan.h): bytes are that one's
  double device_chunk_mib = 0;  ///< --device-chunk-mib
  bool single = true;           ///< products of iterations are TF32's or BF16's, not float32's
  /// Which neurons are supposed dead and stable (bound/supposed.h); null: none is.
  std::shared_ptr<const bound::Root> supposed;
};

/// A weight of the network.
struct WeightPlan {
  int node = 0;
  std::string name;
  std::uint64_t bytes = 0;  ///< all of it
  std::uint64_t here = 0;   ///< at rest on the rank that has most of it
};

/// How bytes come to a rank.
enum class Via {
  kTileFetch,      ///< a weight's tiles, asked of other ranks
  kFileRead,       ///< its tiles, read from the network's file
  kRootBroadcast,  ///< what is known of the box, before rows are dealt
  kRowsGathered,   ///< bounds of rows, for the leader
  kHostCopy,       ///< a weight's rows, from the host to its GPU
  // Of ranks that share neurons:
  kColumnsGathered,  ///< intervals of a node, for the next one's
  kRowsPulled,       ///< A-matrices, added up where each input belongs
  kRowsPushed,       ///< values in push, gathered or added up
  kBoundsSummed,     ///< bounds of rows, the sums of the ranks' terms
};
/// "tile fetch", ...
const char* name_of(Via via);

/// What ranks tell each other about a node, for each rank.
struct Transfer {
  int node = 0;
  Via via = Via::kTileFetch;
  std::uint64_t bytes = 0;  ///< that come to (or go from) a rank, in the phase
  double letters = 0;
};

/// A phase of the run, as the rank sees it that holds most.
struct Phase {
  std::string name;  ///< "load", "intervals", "CROWN", "alpha"
  /// Bytes at the most, by MemoryClass.
  std::array<std::uint64_t, kMemoryClasses> bytes{};
  /// The same of a GPU, by cuda::Tensor.
  std::array<std::uint64_t, cuda::kTensors> device{};
  /// Bytes of all classes at a time: their sum, but for A and slopes, which are not largest
  /// together.
  std::uint64_t total = 0;
  bound::RowWork work;  ///< of a rank
  std::vector<Transfer> transfers;
  double compute_seconds = 0;
  double transfer_seconds = 0;
  double waited_seconds = 0;  ///< a GPU's kernels waited for what they needed next
  /// Transfers go on beside the products, hidden as far as these last; else after them.
  bool hidden = true;

  [[nodiscard]] double seconds() const {
    return hidden ? std::max(compute_seconds + waited_seconds, transfer_seconds)
                  : compute_seconds + transfer_seconds;
  }
  /// Seconds in which nothing is multiplied.
  [[nodiscard]] double exposed_seconds() const { return seconds() - compute_seconds; }
};

struct RunPlan {
  Mesh mesh;
  Place place = Place::kReplicated;
  int threads = 1;      ///< of each rank
  bool device = false;  ///< bytes are those of a rank's GPU
  std::vector<WeightPlan> weights;
  std::vector<Phase> phases;

  /// The phase that holds most.
  [[nodiscard]] const Phase& peak() const;
  [[nodiscard]] double seconds() const;
  /// Of one rank, its process among them, or of its GPU.
  [[nodiscard]] std::uint64_t peak_bytes() const { return process_bytes() + peak().total; }
  /// Code, libraries, what is read of the files, and what the C library keeps of each thread; of a
  /// GPU nothing: what CUDA takes for itself is not counted in a run either.
  [[nodiscard]] std::uint64_t process_bytes() const {
    if (device) return 0;
    return kProcessBytes + static_cast<std::uint64_t>(threads - 1) * kThreadBytes;
  }

  /// What a process has in memory before it reads a network: measured.
  static constexpr std::uint64_t kProcessBytes = std::uint64_t{38} << 18;
  /// What the C library keeps of small buffers for each further thread, measured.
  static constexpr std::uint64_t kThreadBytes = std::uint64_t{1} << 20;
  /// What links to other ranks take in a process: threads and buffers, measured of
  /// processes over TCP.
  static constexpr std::uint64_t kLinkBytes = std::uint64_t{1} << 19;
};

/// The plan with the weights there. Reads no weights but those of convolutions.
RunPlan make_run_plan(const Graph& graph, const Question& question, Place place);

/// The soonest of those that fit into question.memory. Throws Error(kOutOfMemory) where none does:
/// which tensors need how much, and what would help.
RunPlan choose_run_plan(const Graph& graph, const Question& question,
                        const std::vector<Place>& places);

}  // namespace coronet::plan
