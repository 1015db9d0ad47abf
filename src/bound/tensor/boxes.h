// Boxes bounded by ranks that share the neurons, many at a time, in step.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "base/memory_ledger.h"
#include "base/options.h"
#include "base/resources.h"
#include "bound/plan.h"
#include "bound/tensor/rows.h"
#include "bound/tensor/share.h"
#include "comm/communicator.h"
#include "spec/rank_report.h"

namespace coronet::bound {

/// Boxes, and linear forms of the outputs over them, as rank 0 has them.
struct BoxQuery {
  int boxes = 0;
  std::vector<double> lower, upper;  ///< [boxes, inputs], in graph order
  RowList forms;                     ///< dense rows over the outputs
  std::vector<int> box;              ///< [rows] which box each is of, ascending
  double seconds = 0;                ///< that all of it may take
};

/// What was found, the same on every rank. Where the time was out, the rows of some boxes have no
/// bounds (-infinity).
struct BoxBounds {
  std::vector<double> value;  ///< [rows] lower bounds of the forms, but for
  std::vector<double> error;  ///< [rows] what rounding can cost, at any point of the box
  std::vector<double> a;      ///< [rows, inputs] of the linear bounds whose least values these are
  bool timed_out = false;
  std::vector<RankReport> ranks;  ///< of each, so far
  MemoryUsage memory;             ///< of this rank
};

/// Each box has relaxations of its own: intervals, and rows with plain slopes for what is unstable
/// in it, all in double. The boxes go by turns to the groups of a mesh with several, and to their
/// lanes. What rounding can cost is counted for all boxes that a lane bounds at once, so that a
/// bound depends on which these are, by no more than that.
class TensorBoxes {
 public:
  /// All ranks at the same time; as TensorRows has them. Refers to all but the options.
  TensorBoxes(const Share& share, std::deque<TensorLane>& lanes, comm::Communicator& rows,
              const Options& options, std::uint64_t memory_bytes);

  /// So many boxes keep all lanes of all groups busy.
  [[nodiscard]] int at_once() const;
  /// All ranks at the same time, with the same query. No box is begun after rank 0's deadline.
  BoxBounds bound(const BoxQuery& query, const Deadline& deadline);

  [[nodiscard]] std::int64_t boxes_bounded() const { return boxes_bounded_; }
  [[nodiscard]] double busy_seconds() const { return busy_seconds_; }

 private:
  struct Chunk;
  void bound(int lane, Chunk& chunk, const BoxQuery& query, BoxBounds& found);
  void tighten(int lane, Chunk& chunk, int v);
  void bound_forms(int lane, Chunk& chunk, const BoxQuery& query, BoxBounds& found);
  void gather_inputs(int lane, int rows, const double* mine, double* to);

  const Share& share_;
  std::deque<TensorLane>& lanes_;
  comm::Communicator& rows_;
  const std::uint64_t memory_bytes_;
  std::deque<comm::Communicator> lane_ranks_;  // [lanes] the tensor group's, for its lists of rows
  std::vector<Plan> plans_;                    // [nodes]
  std::vector<char> by_rows_;                  // [nodes] are bounds tightened by rows?
  int chunk_;                                  // boxes that a lane bounds at once
  std::atomic<std::int64_t> boxes_bounded_{0};
  double busy_seconds_ = 0;
};

}  // namespace coronet::bound
