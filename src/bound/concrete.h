// Concrete evaluation of many points at once, and its gradient: push with the function itself, pull
// with its derivative.
#pragma once

#include <vector>

#include "bound/network.h"
#include "bound/workspace.h"

namespace coronet::bound {

/// What the points of a device go through at elementwise nodes: to[i] = f(z[i]), and to[i] = or +=
/// f'(z[i]) a[i], at a kink the derivative from above. Each device has these two.
void activate(const device::Cpu& device, const Operator& op, std::size_t count, const float* z,
              float* to);
void activate_gradient(const device::Cpu& device, const Operator& op, std::size_t count,
                       const float* z, const float* a, bool add, float* to);

/// Holds buffers of the workspace until destroyed or end()ed. Pointers are device D's.
template <class D = device::Cpu>
class Concrete {
 public:
  Concrete(const Network<float>& net, Workspace<float, D>& space)
      : net_(net), space_(space), device_(space.device()) {}
  ~Concrete() { end(); }
  Concrete(const Concrete&) = delete;
  Concrete& operator=(const Concrete&) = delete;

  /// y[points, outputs] at x[points, inputs], both in graph order. With `keep`, gradient() may
  /// follow.
  void evaluate(int points, const float* x, float* y, bool keep);
  /// dx[points, inputs] = dy[points, outputs] times the Jacobian at the points of the last
  /// evaluate(keep).
  void gradient(const float* dy, float* dx);
  void end();

 private:
  const Network<float>& net_;
  Workspace<float, D>& space_;
  const D& device_;
  int points_ = 0;
  std::vector<int> z_;  // [nodes] buffer of an elementwise node's input values, or -1
};

}  // namespace coronet::bound
