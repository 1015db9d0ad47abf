// Points that descend together, each in its box, on the CPU or beside it.
#pragma once

#include <memory>
#include <vector>

#include "bound/network.h"
#include "bound/workspace.h"

namespace coronet::bound {

/// Boxes in graph order, one behind the other: [boxes][inputs].
struct Boxes {
  std::vector<double> lower, upper;
};

/// For the thread that made it. Points and values are the host's, in graph order.
class Swarm {
 public:
  virtual ~Swarm() = default;
  /// How many points it is made to hold at once.
  [[nodiscard]] virtual int most() const = 0;

  /// Starts anew with the points x[points][inputs]; point p lies in box[p].
  virtual void place(const std::vector<float>& x, const std::vector<int>& box) = 0;
  /// y[points][outputs] where the points are. With `keep`, descend() may follow.
  virtual void evaluate(float* y, bool keep) = 0;
  /// Each number of a point moves by size times its box's width against the sign of its gradient,
  /// which is that of dy . y, dy of [points][outputs], and of `more`, [points][inputs] (null:
  /// none); no point leaves its box.
  virtual void descend(const float* dy, const double* more, double size) = 0;
  /// The points first .. first + count - 1.
  virtual void read(int first, int count, float* x) const = 0;
};

/// So many points fill the vectors of the CPU's products and leave their numbers in its caches.
inline constexpr int kSwarmPoints = 64;

/// On the CPU; refers to all its arguments.
std::unique_ptr<Swarm> make_swarm(const Network<float>& net, Workspace<float>& space,
                                  const Boxes& boxes);

}  // namespace coronet::bound
