// What bounding the rows of a graph will take, known before any weight is read.
#pragma once

#include <cstddef>

#include "base/memory_ledger.h"
#include "bound/counting.h"
#include "bound/engine.h"
#include "bound/network.h"
#include "bound/workspace.h"

namespace coronet::bound {

/// Bytes of the packed copies that two networks of this graph, of float and of double, keep of
/// weights that are in memory, each of at most `pack_bytes`: of those that are now, or, with
/// `gathered`, of all. Convolutions' weights are read.
std::size_t packed_bytes(const Graph& graph, std::size_t pack_bytes, bool gathered);

/// Root::bytes() once all nodes are bounded.
std::size_t root_bytes(const Graph& graph);

/// Rows of one list, as RowTask takes them.
struct RowsToCome {
  int node = 0;
  int count = 0;
  bool selection = true;  ///< single neurons; else dense rows
  bool input = false;     ///< dense rows with a term in the inputs
  int iterations = 0;     ///< of alpha; 0: CROWN
  int hands = 1;          ///< that share them, over all ranks
};

/// One worker's buffers: it runs RowTask's passes over a device without numbers, with the same
/// chunks, and counts in a ledger. Where a RowTask writes out a network without its dead neurons
/// (thinned.h: convolutions, with alpha), this has the whole one: a batch then takes about as much,
/// since chunks are cut by bytes.
class RowForecast {
 public:
  /// Refers to the graph.
  RowForecast(const Graph& graph, double chunk_mib);

  /// The worker bounds all parts of these rows, after those of earlier calls, whose buffers it has
  /// kept.
  void bound(const RowsToCome& rows);
  /// Of the worker: kA and kAlpha.
  [[nodiscard]] MemoryUsage usage() const { return ledger_.usage(); }
  /// Products that one row takes: in a pull.
  [[nodiscard]] double products(const RowsToCome& rows) const;
  /// Rows of a part.
  [[nodiscard]] int part(const RowsToCome& rows) const;

 private:
  void bound_part(const RowsToCome& rows, int count);
  [[nodiscard]] std::size_t held() const { return space32_.bytes() + space64_.bytes(); }
  [[nodiscard]] bool patches(const RowsToCome& rows) const;
  [[nodiscard]] std::size_t slopes(const RowsToCome& rows, const Plan& plan) const;

  const Graph& graph_;
  std::size_t budget_;
  Network<float> net32_;
  Network<double> net64_;
  Relaxation<float, Counting> relax32_;
  Relaxation<double, Counting> relax64_;
  Magnitudes<Counting> magnitude_;
  MemoryLedger ledger_;
  Workspace<float, Counting> space32_;
  Workspace<double, Counting> space64_;
};

}  // namespace coronet::bound
