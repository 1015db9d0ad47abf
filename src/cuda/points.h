// Points on the device: through the functions themselves instead of their relaxations, and their
// steps. All pointers are to device memory.
#pragma once

#include <cstddef>

#include "cuda/device.h"
#include "device/points.h"
#include "ops/operators.h"

namespace coronet::cuda {

/// to[i] = f(z[i]) of an elementwise operator.
void activate(Device& device, const Operator& op, std::size_t count, const float* z, float* to);

/// to[i] = or += f'(z[i]) a[i]; at a kink the derivative from above.
void activate_gradient(Device& device, const Operator& op, std::size_t count, const float* z,
                       const float* a, bool add, float* to);

/// As device/points.h says.
void move_points(Device& device, int points, const device::BoxesAt& boxes, const float* gradient,
                 const double* more, double size, float* x);

}  // namespace coronet::cuda
