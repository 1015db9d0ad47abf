// A graph ready to be bounded: its networks in both arithmetics and the buffers of the workers.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>

#include "bound/accelerator.h"
#include "bound/context.h"
#include "bound/ranks/leader.h"

namespace coronet::search {

/// Packed weights up to this size are kept in both directions; above, they are packed tile by tile
/// on each use.
inline constexpr std::size_t kPackBytes = std::size_t{48} << 20;

struct Prepared {
  bound::Network<float> net32;
  bound::Network<double> net64;
  bound::Context context;
  Counted packed;
  Counted scratch;
  std::unique_ptr<bound::RowDevice> device;
  std::unique_ptr<bound::RowBounder> dealt;  ///< to all ranks

  /// `accelerator`: null for the CPU alone. `ranks`: of a run of several, whose whole graph this
  /// is; else null.
  Prepared(const Graph& graph, const Options& options, Workers& workers, const Deadline& deadline,
           Tracer& tracer, bound::Accelerator* accelerator, bound::Ranks* ranks = nullptr)
      : net32(graph, kPackBytes),
        net64(graph, kPackBytes),
        context(net32, net64, options, workers, deadline, tracer) {
    if (accelerator != nullptr) attach(*accelerator);
    if (ranks != nullptr) deal(ranks->whole(context, accelerator));
  }

  /// From now on what this holds is counted there; null: nowhere.
  void count_in(MemoryLedger* ledger) {
    packed = Counted(ledger, MemoryClass::kPackedWeights, net32.bytes() + net64.bytes());
    // The workers keep it from the first product to the last.
    scratch = Counted(ledger, MemoryClass::kScratch,
                      (net32.scratch_bytes() + net64.scratch_bytes()) *
                          static_cast<std::size_t>(context.workers.size()));
    context.count_in(ledger);
  }

  /// From now on large batches are bounded there.
  void attach(bound::Accelerator& accelerator) {
    device = accelerator.prepare(net64, context.workers);
    context.device = device.get();
  }

  /// From now on, rows are bounded so.
  void deal(std::unique_ptr<bound::RowBounder> by) {
    dealt = std::move(by);
    context.ranks = dealt.get();
  }
};

}  // namespace coronet::search
