// Bounds that a plan supposes: which neurons will be dead and which unstable decides how much a GPU
// leaves out, and only a run knows. These are guessed from a few rows of every node; nothing sound
// may be built on them.
#pragma once

#include <vector>

#include "base/parallel.h"
#include "bound/root.h"

namespace coronet::bound {

/// A root with lines and magnitudes of all nodes, whose bounds at node v are those of the network's
/// value in the middle of the box, off by as much as those of a few neurons drawn at random,
/// bounded by CROWN over what was supposed before. Reads every weight for each node above it; on a
/// random MLP the shares of dead and of unstable neurons are then within 1 % of a run's.
Root supposed_root(const Graph& graph, const std::vector<double>& lo, const std::vector<double>& hi,
                   Workers& workers);

/// A root that leaves nothing out: every neuron is unstable. For boxes that are not known.
Root open_root(const Graph& graph);

}  // namespace coronet::bound
