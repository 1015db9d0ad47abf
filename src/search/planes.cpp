#include "search/planes.h"

#include <algorithm>
#include <cmath>

#include "bound/bounds.h"

namespace coronet::search {

namespace {

/// Least value of a . x over the box, and the sum of the sizes of its terms.
double least_over(const std::vector<double>& a, const std::vector<double>& lower,
                  const std::vector<double>& upper, double* size) {
  double sum = 0;
  *size = 0;
  for (std::size_t j = 0; j < a.size(); ++j) {
    const double term = a[j] * (a[j] >= 0 ? lower[j] : upper[j]);
    sum += term;
    *size += std::fabs(term);
  }
  return sum;
}

}  // namespace

Plane make_plane(const double* a, double least, double error, const std::vector<double>& lower,
                 const std::vector<double>& upper) {
  Plane plane;
  plane.a.assign(a, a + lower.size());
  double size = 0;
  const double reached = least_over(plane.a, lower, upper, &size);
  plane.b = least - reached - error -
            (bound::gamma(2.0 * lower.size() + 16) * (size + std::fabs(least)) +
             bound::underflow(2.0 * lower.size() + 16));
  return plane;
}

namespace {

/// sum_i lambda_i (a_i . x + b_i) at its least over the box: value[i] is plane i's value there.
/// Returns that least value, less all rounding.
double combination(const std::vector<Plane>& planes, const std::vector<double>& lambda,
                   const std::vector<double>& lower, const std::vector<double>& upper,
                   std::vector<double>& value) {
  const std::size_t m = planes.size();
  const std::size_t n = lower.size();
  double sum = 0;
  double sizes = 0;
  double widest = 1;  // what a lost product lambda a is multiplied by, summed
  for (std::size_t i = 0; i < m; ++i) {
    sum += lambda[i] * planes[i].b;
    sizes += lambda[i] * std::fabs(planes[i].b);
    value[i] = planes[i].b;
  }
  for (std::size_t j = 0; j < n; ++j) {
    double a = 0;
    double size = 0;
    for (std::size_t i = 0; i < m; ++i) {
      a += lambda[i] * planes[i].a[j];
      size += lambda[i] * std::fabs(planes[i].a[j]);
    }
    const double x = a >= 0 ? lower[j] : upper[j];
    sum += a * x;
    const double reach = std::max(std::fabs(lower[j]), std::fabs(upper[j]));
    sizes += size * reach;
    widest += 1 + reach;
    for (std::size_t i = 0; i < m; ++i) value[i] += planes[i].a[j] * x;
  }
  const auto terms = static_cast<double>(2 * m + n) + 16;
  return sum - (bound::gamma(terms) * sizes + bound::underflow(terms * widest));
}

}  // namespace

bool contradict(const std::vector<Plane>& planes, const std::vector<double>& lower,
                const std::vector<double>& upper) {
  const std::size_t m = planes.size();
  if (m < 2) return false;
  std::vector<double> lambda(m, 1.0 / static_cast<double>(m));
  std::vector<double> value(m);
  if (m == 2) {
    // Concave in lambda_0, with derivative value_0 - value_1: bisection.
    double a = 0;
    double b = 1;
    for (int t = 0; t < 40; ++t) {
      lambda[0] = (a + b) / 2;
      lambda[1] = 1 - lambda[0];
      if (combination(planes, lambda, lower, upper, value) > 0) return true;
      if (value[0] > value[1]) {
        a = lambda[0];
      } else if (value[0] < value[1]) {
        b = lambda[0];
      } else {
        return false;
      }
      if (value[0] <= 0 && value[1] <= 0) return false;  // the planes leave this point open
    }
    return false;
  }
  constexpr int kSteps = 30;
  for (int t = 0; t < kSteps; ++t) {
    if (combination(planes, lambda, lower, upper, value) > 0) return true;
    double scale = 0;
    double largest = -HUGE_VAL;
    for (double v : value) {
      scale = std::max(scale, std::fabs(v));
      largest = std::max(largest, v);
    }
    if (!(largest > 0) || !std::isfinite(scale)) return false;  // the planes leave this point open
    double sum = 0;
    const double rate = 2.0 / (1.0 + 0.3 * t);
    for (std::size_t i = 0; i < m; ++i) {
      // Multiplicative weights stay on the simplex and need no projection.
      lambda[i] *= std::exp(rate * value[i] / scale);
      sum += lambda[i];
    }
    for (double& l : lambda) l /= sum;
  }
  return false;
}

bool clip(const std::vector<Plane>& planes, std::vector<double>& lower,
          std::vector<double>& upper) {
  const std::size_t n = lower.size();
  for (const Plane& p : planes) {
    double size = 0;
    const double least = least_over(p.a, lower, upper, &size);
    const double slack =
        bound::gamma(2.0 * n + 16) * (size + std::fabs(p.b)) + bound::underflow(2.0 * n + 16);
    if (!std::isfinite(least)) return true;
    if (least + p.b - slack > 0) return false;
    for (std::size_t j = 0; j < n; ++j) {
      const double a = p.a[j];
      if (a == 0 || !(lower[j] < upper[j])) continue;
      // a x_j <= -(b + the least of the other terms)
      const double own = a * (a >= 0 ? lower[j] : upper[j]);
      const double room = (-(p.b + (least - own)) + slack) / a;
      if (!std::isfinite(room)) continue;
      if (a > 0) {
        const double t = bound::up(room + std::fabs(room) * 0x1p-50);
        if (t < lower[j]) return false;
        upper[j] = std::min(upper[j], t);
      } else {
        const double t = bound::down(room - std::fabs(room) * 0x1p-50);
        if (t > upper[j]) return false;
        lower[j] = std::max(lower[j], t);
      }
    }
  }
  return true;
}

}  // namespace coronet::search
