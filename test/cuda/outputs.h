// Questions about one output of a network, whose answers sampling and bounds tell.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "../queries.h"
#include "graph/evaluate.h"

namespace coronet::test {

/// Is output `output` at least `value` in the whole box of that radius about zero? y_output <=
/// value violates it.
inline Property at_least(const Graph& graph, double radius, int output, double value) {
  const auto n = static_cast<std::size_t>(graph.inputs());
  Property property =
      property_of(graph, {{std::vector<double>(n, -radius), std::vector<double>(n, radius)}});
  property.clauses = {{0, {at_most(output, 1, -value)}}};
  return property;
}

/// The least value of an output at many points of the box.
inline double least_value(const Graph& graph, double radius, int output) {
  Draw draw(5);
  double least = HUGE_VAL;
  for (int i = 0; i < 3000; ++i) {
    std::vector<double> x = draw.reals(graph.inputs(), -radius, radius);
    for (double& v : x) v = draw.real(0, 1) < 0.7 ? (v < 0 ? -radius : radius) : v;
    least = std::min(least, evaluate(graph, x)[static_cast<std::size_t>(output)]);
  }
  return least;
}

/// What the root's bounds say of it.
inline double bound_at_root(const Graph& graph, double radius, int output) {
  How how;
  how.branch = "none";
  how.attack = false;
  how.device = "cpu";
  return run(graph, at_least(graph, radius, output, 0), how).clauses[0].bound;
}

}  // namespace coronet::test
