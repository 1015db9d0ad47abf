#include "device/points.h"

#include <algorithm>

namespace coronet::device {

void move_points(const Cpu&, int points, const BoxesAt& boxes, const float* gradient,
                 const double* more, double size, float* x) {
  for (int p = 0; p < points; ++p) {
    const std::size_t at = static_cast<std::size_t>(p) * boxes.inputs;
    const double* lower = boxes.lower + static_cast<std::size_t>(boxes.box[p]) * boxes.inputs;
    const double* upper = boxes.upper + static_cast<std::size_t>(boxes.box[p]) * boxes.inputs;
    for (int j = 0; j < boxes.inputs; ++j) {
      const double g = gradient[at + j] + (more != nullptr ? more[at + j] : 0.0);
      const double sign = g > 0 ? 1.0 : (g < 0 ? -1.0 : 0.0);
      const double moved = x[at + j] - sign * size * (upper[j] - lower[j]);
      x[at + j] = static_cast<float>(std::clamp(moved, lower[j], upper[j]));
    }
  }
}

}  // namespace coronet::device
