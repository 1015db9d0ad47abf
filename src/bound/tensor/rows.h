// Rows bounded by ranks that share the neurons, in step.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>

#include "bound/context.h"
#include "bound/tensor/group.h"
#include "bound/tensor/share.h"
#include "comm/communicator.h"

namespace coronet::bound {

/// One thread's way through the share: threads of the same number on all ranks of a tensor group
/// bound the same rows at the same time.
struct TensorLane {
  TensorLane(comm::Communicator ranks, const SharedOperators<float>& ops32,
             const SharedOperators<double>& ops64, const Options& options, Workers& workers,
             const Deadline& deadline, Tracer& tracer)
      : group(std::move(ranks)),
        net32(ops32.network(group)),
        net64(ops64.network(group)),
        context(net32, net64, options, workers, deadline, tracer) {}
  TensorLane(const TensorLane&) = delete;
  TensorLane& operator=(const TensorLane&) = delete;

  TensorGroup group;
  Network<float> net32;
  Network<double> net64;
  Context context;
};

/// Every rank calls bound() with the rows that it wants, at the same time: rows of its own neurons,
/// or such as all have alike: dense ones (Share::share_of), and of a node that all have whole. All
/// of them are bounded together. The parts of the rows go by turns to the groups of a mesh with
/// several, and to their lanes.
class TensorRows final : public RowBounder {
 public:
  /// rows: the ranks that have this share of the neurons, one of each group. Refers to all of them.
  /// Beyond `memory_bytes` in the process, Error(kOutOfMemory).
  TensorRows(const Share& share, std::deque<TensorLane>& lanes, comm::Communicator& tensor,
             comm::Communicator& rows, std::uint64_t memory_bytes)
      : share_(share), lanes_(lanes), tensor_(tensor), rows_(rows), memory_bytes_(memory_bytes) {}

  /// Of this rank's rows. Slopes are not kept: no rank has those of a whole row.
  RowBounds bound(const Root& root, const RowList& list, const OptimiseSettings& settings,
                  const Deadline& deadline) override;

  [[nodiscard]] std::int64_t rows_bounded() const { return rows_bounded_; }
  [[nodiscard]] double busy_seconds() const { return busy_seconds_; }

 private:
  [[nodiscard]] RowBounds together(const Root& root, const RowList& list,
                                   const OptimiseSettings& settings, const Deadline& deadline);

  const Share& share_;
  std::deque<TensorLane>& lanes_;
  comm::Communicator& tensor_;
  comm::Communicator& rows_;
  std::uint64_t memory_bytes_;
  std::int64_t rows_bounded_ = 0;
  double busy_seconds_ = 0;
};

}  // namespace coronet::bound
