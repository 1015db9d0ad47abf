// A smaller graph for the same box: hidden neurons that are always zero are taken out.
#pragma once

#include <optional>
#include <vector>

#include "bound/bounds.h"
#include "bound/lines.h"
#include "graph/graph.h"

namespace coronet::bound {

/// A graph with the nodes of another one, some of them with fewer elements.
struct Reduced {
  Graph graph;
  /// [nodes] which elements of the original node remain; ascending, but for an outline()
  std::vector<std::vector<int>> kept;
  /// [nodes] only the first so many of a ReLU's elements may be unstable; 0: any of them
  std::vector<int> sloped;

  /// values of [size of the original node] -> those that remain
  template <class Vector>
  [[nodiscard]] Vector select(int node, const Vector& values) const {
    Vector out;
    out.reserve(kept[node].size());
    for (int i : kept[node]) out.push_back(values[i]);
    return out;
  }
  [[nodiscard]] Bounds select(const Bounds& bounds) const;
};

/// Without the ReLUs that are never active (upper bound <= 0) and without what only they read,
/// where dense layers alone read and make them: the reduced graph computes exactly the same
/// function on the box. Nothing, where less than a tenth of the weights would go, or they are not
/// here, where a copy of them has no place either.
std::optional<Reduced> drop_dead_neurons(const Graph& graph, const Bounds& bounds);

/// That graph with sizes in place of dense weights (ops/weight_sizes.h), wherever these are.
std::optional<Reduced> drop_dead_in_sizes(const Graph& graph, const Bounds& bounds);

/// The same for nodes 0 .. last of the graph, of whose last one only the elements `asked`
/// (ascending) remain; and where convolutions read or make them too: those are then written out as
/// Sparse. Nothing, where that would leave more than `most` weights.
std::optional<Reduced> thin_out(const Graph& graph, const Bounds& bounds, int last,
                                const std::vector<int>& asked, double most);

/// Nodes 0 .. last without dead neurons, where dense layers alone read and make them, and of node
/// `last` the elements `asked`; its dense layers have no weights: whoever holds those picks from
/// them by `kept`. Some dead neurons stay, so that sizes are round; where some left, unstable
/// neurons come first. Nothing, where less than a tenth of the weights would go.
std::optional<Reduced> outline(const Graph& graph, const Bounds& bounds, int last,
                               const std::vector<int>& asked);

/// The lines of node v that remain.
template <class T>
Lines<T> select_lines(const Reduced& reduced, int v, const Lines<T>& from);

}  // namespace coronet::bound
