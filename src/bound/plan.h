// Which nodes a batch of rows passes through, and how much of each its rows carry: a value made
// before anything runs.
#pragma once

#include <vector>

#include "bound/network.h"

namespace coronet::bound {

struct Plan {
  int start = 0;               ///< the node that the rows are about
  std::vector<int> order;      ///< nodes reached, from start down to the input (descending)
  std::vector<Extent> extent;  ///< [nodes]; valid where reached
  std::vector<char> reached;   ///< [nodes]
  std::vector<char>
      push;  ///< [nodes] is the node's value needed by push (it leads to an elementwise node)?
  std::vector<int> consumers;    ///< [nodes] how many of the nodes that push computes read it
  std::vector<int> elementwise;  ///< the elementwise nodes among `order`

  /// Numbers of one row kept from pull to push, by the optimiser, and at most held in passing: for
  /// the memory plan.
  std::size_t kept = 0;
  std::size_t passing = 0;
};

/// `patches`: rows begin at single pixels of an image node (their neuron's), else they hold the
/// whole node. `push_start`: push also computes the value of `start` itself (the multipliers of
/// several constraints need it).
template <class T>
Plan make_plan(const Network<T>& net, int start, bool patches, bool push_start = false);

/// Products that one row takes in a pull; of a convolution, whose rows have such an extent.
double conv_products(const Conv& conv, const Extent& extent);
double row_products(const Graph& graph, const Plan& plan);

}  // namespace coronet::bound
