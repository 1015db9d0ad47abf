// A graph ready to be bounded: its networks in both arithmetics and the buffers of the workers.
#pragma once

#include <cstddef>
#include <memory>

#include "bound/accelerator.h"
#include "bound/context.h"

namespace coronet::search {

/// Packed weights up to this size are kept in both directions; above, they are packed tile by tile
/// on each use.
inline constexpr std::size_t kPackBytes = std::size_t{48} << 20;

struct Prepared {
  bound::Network<float> net32;
  bound::Network<double> net64;
  bound::Context context;
  std::unique_ptr<bound::RowDevice> device;

  /// `accelerator`: null for the CPU alone.
  Prepared(const Graph& graph, const Options& options, Workers& workers, const Deadline& deadline,
           Tracer& tracer, bound::Accelerator* accelerator)
      : net32(graph, kPackBytes),
        net64(graph, kPackBytes),
        context(net32, net64, options, workers, deadline, tracer) {
    if (accelerator == nullptr) return;
    device = accelerator->prepare(net64, workers);
    context.device = device.get();
  }
};

}  // namespace coronet::search
