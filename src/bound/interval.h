// Interval bounds of a node from its inputs' bounds, in double, rounded outward.
#pragma once

#include "bound/bounds.h"
#include "bound/network.h"

namespace coronet::bound {

/// Sets bounds.lo[v], bounds.hi[v] for every domain from those of the node's inputs. Numbers that
/// overflow become infinite.
void interval_node(const Network<double>& net, int v, Bounds& bounds, Workers* workers = nullptr);

/// Interval bounds of all nodes over the box [lo, hi] of graph order, each of [domains][inputs].
Bounds interval_bounds(const Network<double>& net, int domains, const std::vector<double>& lo,
                       const std::vector<double>& hi);

}  // namespace coronet::bound
