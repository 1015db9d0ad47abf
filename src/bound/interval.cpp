#include "bound/interval.h"

#include <cmath>

namespace coronet::bound {

void interval_node(const Network<double>& net, int v, Bounds& bounds, Workers* workers) {
  const std::size_t n = net.size(v);
  auto& lo = bounds.lo[v];
  auto& hi = bounds.hi[v];
  lo.assign(n * bounds.domains, -HUGE_VAL);
  hi.assign(n * bounds.domains, HUGE_VAL);
  const auto& inputs = net.inputs(v);
  if (net.elementwise(v)) {
    const auto& in_lo = bounds.lo[inputs[0]];
    const auto& in_hi = bounds.hi[inputs[0]];
    for (std::size_t i = 0; i < lo.size(); ++i) {
      image_of(net.graph().nodes[v].op, in_lo[i], in_hi[i], &lo[i], &hi[i]);
    }
    return;
  }
  const Affine<double>& op = *net.affine(v);
  const double g = gamma(op.terms() + 16);
  const double lost = underflow(op.terms() + 16);
  std::vector<std::vector<double>> centre(inputs.size());
  std::vector<std::vector<double>> radius(inputs.size());
  std::vector<const double*> c;
  std::vector<const double*> r;
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    centre[k].resize(net.size(inputs[k]));
    radius[k].resize(net.size(inputs[k]));
    c.push_back(centre[k].data());
    r.push_back(radius[k].data());
  }
  std::vector<double> y(n);
  std::vector<double> e(n);
  for (int d = 0; d < bounds.domains; ++d) {
    for (std::size_t k = 0; k < inputs.size(); ++k) {
      const std::size_t m = net.size(inputs[k]);
      const double* a = bounds.lo[inputs[k]].data() + d * m;
      const double* b = bounds.hi[inputs[k]].data() + d * m;
      for (std::size_t i = 0; i < m; ++i) {
        centre[k][i] = a[i] + (b[i] - a[i]) / 2;
        const double half = std::max(b[i] - centre[k][i], centre[k][i] - a[i]);
        // The radius carries the rounding of both products: |M| (radius + g (|centre| + radius)).
        radius[k][i] = half + g * (std::fabs(centre[k][i]) + half);
      }
    }
    op.apply(c.data(), y.data(), workers);
    op.apply_abs(r.data(), e.data(), workers);
    for (std::size_t i = 0; i < n; ++i) {
      // What the bias hides is no part of the radius: it counts for its rounding only.
      const double hidden = op.hidden(static_cast<int>(i));
      const double bias = std::fabs(op.bias_of(static_cast<int>(i)));
      const double slack = (e[i] - hidden) + g * (bias + 2 * hidden) + lost;
      lo[d * n + i] = down(y[i] - slack);
      hi[d * n + i] = up(y[i] + slack);
      if (!(lo[d * n + i] <= hi[d * n + i])) {  // NaN: nothing is known
        lo[d * n + i] = -HUGE_VAL;
        hi[d * n + i] = HUGE_VAL;
      }
    }
  }
}

Bounds interval_bounds(const Network<double>& net, int domains, const std::vector<double>& lo,
                       const std::vector<double>& hi) {
  Bounds bounds(net.graph(), domains);
  bounds.lo[0] = lo;
  bounds.hi[0] = hi;
  for (int v = 1; v < net.nodes(); ++v) interval_node(net, v, bounds);
  return bounds;
}

}  // namespace coronet::bound
