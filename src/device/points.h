// Points that move in boxes.
#pragma once

#include "device/cpu.h"

namespace coronet::device {

/// Boxes on a device, lower and upper of [boxes][inputs], and which of them each point lies in.
struct BoxesAt {
  const double* lower = nullptr;
  const double* upper = nullptr;
  const int* box = nullptr;  ///< [points]
  int inputs = 0;
};

/// Each number of x[points][inputs] moves by size times its box's width against the sign of
/// gradient + more (null: none), and stays in the box.
void move_points(const Cpu& device, int points, const BoxesAt& boxes, const float* gradient,
                 const double* more, double size, float* x);

}  // namespace coronet::device
