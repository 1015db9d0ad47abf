// The lowered graph of a written one.
#pragma once

#include "graph/graph.h"
#include "io/onnx/written.h"

namespace coronet::importer {

/// Throws Error(kUnsupported) naming every node that is not imported, before any work. Weights
/// whose numbers last longer than `written` are left where they are.
Graph lower(const Written& written);

}  // namespace coronet::importer
