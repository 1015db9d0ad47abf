// One column of doubles multiplied by a weight, or by its absolute values: what intervals and
// magnitudes need. The sum of an element is formed in one fixed order.
#pragma once

#include "cuda/device.h"
#include "cuda/matrix.h"
#include "ops/shape.h"

namespace coronet::cuda {

/// y = W u, or |W| u: u of [w.cols], y of [w.rows], on the device; `w` is not transposed.
void dense_column(Device& device, const Matrix& w, bool absolute, const double* u, double* y);

/// A convolution's weights as conv.h lays them out for its forward direction: [groups][k][n], the
/// taps' channels in k, with zeros from taps * (in.channels / groups) on and in columns from
/// out.channels / groups on.
struct ConvWeights {
  const double* weights = nullptr;
  int k = 0, n = 0;
  const int* offsets = nullptr;  ///< [taps] dy in the upper and dx in the lower 16 bits
  int taps = 0;
  int groups = 1;
  int stride_y = 1, stride_x = 1;
  Shape in, out;
};

/// y = conv(u) without a bias, or with the weights' absolute values: whole images on the device.
void conv_column(Device& device, const ConvWeights& w, bool absolute, const double* u, double* y);

}  // namespace coronet::cuda
