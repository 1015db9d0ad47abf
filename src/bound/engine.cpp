#include "bound/engine.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "bound/pass.h"

namespace coronet::bound {

template <class T>
Step<T> adam_step(int iteration, double lr_alpha, double lr_beta, const Memory& memory) {
  Step<T> step;
  const double t = iteration + 1;
  const auto fill = [&](kernels::AdamStep<T>& s, double lr) {
    s.beta1 = static_cast<T>(memory.first);
    s.beta2 = static_cast<T>(memory.second);
    s.rate = static_cast<T>(lr / (1 - std::pow(memory.first, t)));
    s.inv_scale2 = static_cast<T>(1 / (1 - std::pow(memory.second, t)));
  };
  fill(step.alpha, lr_alpha);
  fill(step.beta, lr_beta);
  return step;
}

void add_magnitudes(const Network<double>& net, const Bounds& bounds, int v, Magnitudes<>& m,
                    Workers* workers) {
  const auto of = [&](int node) {
    const std::size_t n = net.size(node);
    AlignedVector<double> largest(n, 0.0);
    for (std::size_t i = 0; i < bounds.lo[node].size(); ++i) {
      const double a = std::max(std::fabs(bounds.lo[node][i]), std::fabs(bounds.hi[node][i]));
      largest[i % n] = std::max(largest[i % n], a);
    }
    return largest;
  };
  const auto summed = [](AlignedVector<double> size) {
    double sum = 0;
    for (const double x : size) sum += x;
    return Magnitudes<>::Of{std::move(size), sum};
  };
  const auto& inputs = net.inputs(v);
  if (v == 0) {
    m.value[0] = summed(of(0));
  } else if (net.elementwise(v)) {
    // |s z| + |t| with |s| <= 1 and |t| <= |z| + 1 (the intercept of a line that meets the function
    // on [lo, hi]).
    AlignedVector<double> size = of(inputs[0]);
    for (double& x : size) x = 2 * x + 1;
    m.value[v] = summed(std::move(size));
  } else {
    std::vector<AlignedVector<double>> parts;
    std::vector<const double*> in;
    for (int u : inputs) parts.push_back(of(u));
    for (const auto& p : parts) in.push_back(p.data());
    AlignedVector<double> size(net.size(v));
    net.affine(v)->apply_abs(in.data(), size.data(), workers);
    for (int i = 0; i < net.size(v); ++i) size[i] += std::fabs(net.affine(v)->bias_of(i));
    m.affine[v] = summed(std::move(size));
  }
}

template Step<float> adam_step(int, double, double, const Memory&);
template Step<double> adam_step(int, double, double, const Memory&);
template struct Rows<float>;
template struct Rows<double>;
template class Pass<float>;
template class Pass<double>;

}  // namespace coronet::bound
