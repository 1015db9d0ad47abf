// Lower and upper bounds of every node of a graph, for one or more domains.
#pragma once

#include <cmath>
#include <vector>

#include "graph/graph.h"

namespace coronet::bound {

/// lo[node][domain * size(node) + i] <= value <= hi[...], for every point of the domain's input
/// box. Always double.
struct Bounds {
  int domains = 1;
  std::vector<std::vector<double>> lo;
  std::vector<std::vector<double>> hi;

  Bounds() = default;
  Bounds(const Graph& graph, int domain_count) : domains(domain_count) {
    lo.resize(graph.nodes.size());
    hi.resize(graph.nodes.size());
  }
};

/// Relative rounding error of a double operation; every derived margin counts in it.
inline constexpr double kUnit = 0x1p-53;

/// gamma_n = n u / (1 - n u) (Higham, Accuracy and Stability of Numerical Algorithms, 3.1), rounded
/// up generously.
inline double gamma(double n) { return 1.01 * n * kUnit; }

/// What `n` products below the normal numbers are off by, which no relative error bounds.
inline double underflow(double n) { return n * 0x1p-1073; }

/// A double at or below / above x however the last few operations rounded.
inline double down(double x) { return std::nextafter(x, -HUGE_VAL); }
inline double up(double x) { return std::nextafter(x, HUGE_VAL); }

}  // namespace coronet::bound
