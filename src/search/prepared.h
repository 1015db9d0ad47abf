// A graph ready to be bounded: its networks in both arithmetics and the buffers of the workers.
#pragma once

#include <cstddef>

#include "bound/context.h"

namespace coronet::search {

/// Packed weights up to this size are kept in both directions; above, they are packed tile by tile
/// on each use.
inline constexpr std::size_t kPackBytes = std::size_t{48} << 20;

struct Prepared {
  bound::Network<float> net32;
  bound::Network<double> net64;
  bound::Context context;

  Prepared(const Graph& graph, const Options& options, Workers& workers, const Deadline& deadline,
           Tracer& tracer)
      : net32(graph, kPackBytes),
        net64(graph, kPackBytes),
        context(net32, net64, options, workers, deadline, tracer) {}
};

}  // namespace coronet::search
