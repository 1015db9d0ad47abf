// Concrete evaluation of many points at once, and its gradient: push with the function itself, pull
// with its derivative.
#pragma once

#include <vector>

#include "bound/network.h"
#include "bound/workspace.h"

namespace coronet::search {

class Concrete {
 public:
  Concrete(const bound::Network<float>& net, bound::Workspace<float>& space)
      : net_(net), space_(space) {}
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
  const bound::Network<float>& net_;
  bound::Workspace<float>& space_;
  int points_ = 0;
  std::vector<int> z_;  // [nodes] buffer of an elementwise node's input values, or -1
};

}  // namespace coronet::search
