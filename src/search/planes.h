// What linear lower bounds of a clause's constraints say together about a box: nothing of it, or
// only a part, can violate.
#pragma once

#include <vector>

namespace coronet::search {

/// f(x) >= a . x + b for every x of the box, rigorously (b includes the margin).
struct Plane {
  std::vector<double> a;
  double b = 0;
};

/// From a pull: `least` is its bound (b plus the least of a . x over the box) and `error` what
/// rounding can cost, at any x.
Plane make_plane(const double* a, double least, double error, const std::vector<double>& lower,
                 const std::vector<double>& upper);

/// Is some combination sum lambda_i (a_i . x + b_i), lambda >= 0, positive on all of the box? Then
/// not all constraints hold at any point of it. Found by subgradient steps on the simplex; true is
/// rigorous, false says nothing.
bool contradict(const std::vector<Plane>& planes, const std::vector<double>& lower,
                const std::vector<double>& upper);

/// Shrinks the box to what lies on the near side (a . x + b <= 0) of every plane, outward. False if
/// nothing does.
bool clip(const std::vector<Plane>& planes, std::vector<double>& lower, std::vector<double>& upper);

}  // namespace coronet::search
