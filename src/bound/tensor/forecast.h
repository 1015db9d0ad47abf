// What a rank that shares neurons will hold and tell, known before any dense weight is read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/memory_ledger.h"
#include "bound/root.h"
#include "bound/row_memory.h"
#include "graph/graph.h"

namespace coronet::bound {

/// A run of such ranks, as TensorRun has it.
struct TensorToCome {
  int ranks = 2;   ///< that share the neurons
  int groups = 1;  ///< that rows are dealt to
  int lanes = 1;   ///< threads of each rank
  int zones = 0;
  Method method = Method::kCrown;
  int iterations = 0;       ///< of alpha, for the rows of nodes
  int form_iterations = 0;  ///< and for the forms
  int forms = 0;            ///< dense rows over the outputs
  bool input_terms = false;
  double chunk_mib = 24;       ///< of all ranks of a group
  std::size_t pack_bytes = 0;  ///< and their packed weights, for each of float and double
};

/// What a rank tells the others of its group about a node.
struct TensorTold {
  enum class How {
    kColumns,  ///< intervals, and bounds in the end
    kPulled,   ///< A-matrices, added up where each input belongs
    kPushed,   ///< values, gathered or added up
    kBounds,   ///< of rows, added up; of their node
  };
  How how = How::kColumns;
  int node = 0;  ///< of the share's graph
  std::uint64_t bytes = 0;
  std::uint64_t collectives = 0;
  std::uint64_t letters = 0;
};

/// Rank 0's, which has at least as much as any other one: all have blocks of one size.
struct TensorForecast {
  std::vector<std::uint64_t> weights;  ///< bytes of its share of each, in the graph's order
  KernelBytes kernels;
  std::size_t root_bytes = 0;    ///< Root::bytes() of the share
  std::size_t bounds_bytes = 0;  ///< of the whole graph's bounds, which every rank has in the end
  MemoryUsage lane;              ///< buffers of the thread that takes most
  std::size_t rooms = 0;         ///< of all threads
  std::vector<TensorTold> told;  ///< of all threads; in the order of nodes
  double interval_products = 0;  ///< with a column
  RowWork work;                  ///< of all threads
};

/// Runs the passes of such a run over networks without numbers, with the same parts, blocks and
/// iterations: bytes, rooms and collectives are those that the run counts, where no row leaves
/// early. Convolutions' weights are read. Throws Error(kBadInput) for more zones than there are.
TensorForecast forecast_tensor(const Graph& graph, const TensorToCome& run);

}  // namespace coronet::bound
