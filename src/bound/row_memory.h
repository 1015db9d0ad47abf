// What bounding the rows of a graph will take, known before any weight is read.
#pragma once

#include <climits>
#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "base/memory_ledger.h"
#include "bound/bounds.h"
#include "bound/counting.h"
#include "bound/engine.h"
#include "bound/network.h"
#include "bound/workspace.h"

namespace coronet::bound {

/// What two networks of a graph, of float and of double, keep.
struct KernelBytes {
  std::size_t packed = 0;   ///< copies of weights in the kernels' order
  std::size_t scratch = 0;  ///< of each worker
};
/// What node v's operator multiplies of its input u.
using ShapeRead = std::function<Shape(int v, int u)>;
/// Each of at most `pack_bytes`, of weights that are in memory: of those that are now, or, with
/// `gathered`, of all. Convolutions' weights are read. `read`: of a share (tensor/share.h);
/// nothing: inputs as the graph has them.
KernelBytes kernel_bytes(const Graph& graph, std::size_t pack_bytes, bool gathered,
                         const ShapeRead& read = {});

/// Root::bytes() once all nodes are bounded.
std::size_t root_bytes(const Graph& graph);
/// Of its box, and of what it knows of nodes first to last.
std::size_t root_bytes(const Graph& graph, int first, int last);

/// Rows of one list, as RowTask takes them.
struct RowsToCome {
  int node = 0;
  int count = 0;
  bool selection = true;  ///< single neurons; else dense rows
  bool input = false;     ///< dense rows with a term in the inputs
  int iterations = 0;     ///< of alpha; 0: CROWN
  int hands = 1;          ///< that share them, over all ranks
};

/// What rows take on a CPU, by what takes it.
struct RowWork {
  double matrices32 = 0;      ///< products with matrices, in float32
  double convolutions32 = 0;  ///< and of convolutions
  double blocks32 = 0;        ///< and with matrices of mostly zeros: convolutions written out
  double matrices64 = 0;      ///< and in double
  double convolutions64 = 0;
  double elements32 = 0;  ///< numbers that pass elementwise nodes, in float32
  double elements64 = 0;  ///< and in double
  double slopes = 0;      ///< bytes of slopes in buffers that are taken anew for each part

  [[nodiscard]] double products32() const { return matrices32 + convolutions32 + blocks32; }
  [[nodiscard]] double products64() const { return matrices64 + convolutions64; }
  /// += times as much
  void add(const RowWork& more, double times);
};

/// Bytes of the slopes of a batch of so many domains in T, with Adam's moments where they are
/// `optimised`; slopes: of one row.
template <class T>
std::size_t batch_bytes(int rows, std::size_t slopes, bool optimised) {
  return static_cast<std::size_t>(rows) * slopes * sizeof(T) * (optimised ? 3 : 1);
}

/// Bounds by which neurons are dead or not, as RowForecast supposes them, and nothing else.
Bounds supposed_bounds(const Graph& graph, const std::vector<std::vector<double>>& values,
                       double unstable);

/// One worker's buffers: it runs RowTask's passes over a device without numbers, with the same
/// chunks, and counts in a ledger. Where a RowTask writes out a network without its dead neurons
/// (thinned.h: convolutions, with alpha), so does this, without neurons that are supposed to be
/// dead. The weights of convolutions are read then.
class RowForecast {
 public:
  /// Values of all nodes at a point of the box: [nodes][size], or empty.
  using Values = std::vector<std::vector<double>>;
  /// Drawn at random of each node where no values are known; on ResNets of CIFAR-10 with small
  /// boxes 0.36 to 0.69 of a node were dead.
  static constexpr double kDeadShare = 0.45;
  /// Of neurons that are not positive at that point, so many are unstable: a tenth on those.
  static constexpr double kUnstableShare = 0.1;

  /// One of so many workers of a rank. Supposed to be dead is what is not positive in `values`, but
  /// for the share `unstable` of it.
  /// Refers to the graph and the values.
  RowForecast(const Graph& graph, double chunk_mib, int workers, const Values& values,
              double unstable = kUnstableShare);
  /// On networks without numbers (counted_affine.h), of any kind; every iteration of a descent is
  /// run. Refers to the graph.
  RowForecast(const Graph& graph, double chunk_mib, Network<float> net32, Network<double> net64);
  ~RowForecast();

  /// The worker bounds all parts of these rows, after those of earlier calls, whose buffers it has
  /// kept. Returns the rows of a part.
  int bound(const RowsToCome& rows);
  /// Rows of a part, but for the last one; of networks of the second constructor.
  [[nodiscard]] int part(const RowsToCome& rows) const { return part(rows, nullptr); }
  /// Bounds one part of so many rows.
  void bound_part(const RowsToCome& rows, int count) { bound_part(rows, count, nullptr); }
  /// Bounds a batch of domains as branch and bound does: so many dense rows over the last node,
  /// then `doubles` of them in double, from which splits are chosen. `push_start`: multipliers of
  /// constraints are optimised too.
  void bound_domains(int rows, int doubles, bool input, bool push_start);
  /// Moves so many points of an attack.
  void attack(int points);
  /// Of the worker: kA and kAlpha, and its share of kNetworks, which a rank's workers have
  /// together.
  [[nodiscard]] MemoryUsage usage() const { return ledger_.usage(); }
  /// What one row takes, with all iterations.
  [[nodiscard]] RowWork work(const RowsToCome& rows) const;

 private:
  /// What a list's descents run on.
  struct Descended;
  [[nodiscard]] std::unique_ptr<Descended> thinned(const RowsToCome& rows) const;
  [[nodiscard]] int part(const RowsToCome& rows, const Descended* thin) const;
  [[nodiscard]] std::size_t budget_of(const Descended* thin) const;
  [[nodiscard]] std::size_t part_bytes(const RowsToCome& rows, const Descended* thin) const;
  void bound_part(const RowsToCome& rows, int count, const Descended* thin);
  [[nodiscard]] std::size_t held() const { return space32_.bytes() + space64_.bytes(); }
  [[nodiscard]] bool patches(const RowsToCome& rows) const;

  const Graph& graph_;
  const Values* values_ = nullptr;
  double unstable_ = kUnstableShare;
  double budget_mib_;
  std::size_t workers_ = 1;
  int most_iterations_ = INT_MAX;  // of a descent that are run
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
