// The clauses of a property as rows over the graph's own orders.
#pragma once

#include <vector>

#include "base/aligned.h"
#include "graph/graph.h"
#include "spec/property.h"

namespace coronet::search {

/// One clause: a point violates the property if f_i(x, y) = output_i . y + input_i . x + constant_i
/// <= 0 (< 0 where strict) for every i. It is refuted over a set where some f_i, or some
/// combination of them, is positive everywhere.
struct ClauseRows {
  int clause = 0;  ///< index into Property::clauses
  int box = 0;
  int count = 0;                 ///< constraints
  AlignedVector<double> output;  ///< [count, outputs]
  AlignedVector<double> input;   ///< [count, inputs]; empty where no constraint has inputs
  std::vector<double> constant;  ///< [count]
  std::vector<char> strict;      ///< [count]
};

ClauseRows make_clause_rows(const Graph& graph, const Property& property, int clause);

/// A box in graph order.
struct GraphBox {
  std::vector<double> lower, upper;
  [[nodiscard]] int free_dimensions() const;
};
GraphBox make_graph_box(const Graph& graph, const Box& box);
/// Bounds hold for the box of the decimals as written: the doubles nearest to them are widened by
/// one unit.
GraphBox around(GraphBox box);

/// Does this lower bound of f_i refute the clause?
inline bool refutes(double bound, bool strict) { return strict ? bound >= 0 : bound > 0; }

}  // namespace coronet::search
