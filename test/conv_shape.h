// The geometry of a convolution, for the tests.
#pragma once

#include "ops/operators.h"

namespace coronet::test {

struct Window2 {
  int kernel_h = 3, kernel_w = 3;
  int stride_h = 1, stride_w = 1;
  int dilation_h = 1, dilation_w = 1;
  int top = 0, left = 0, bottom = 0, right = 0;
  int groups = 1;
};
inline Window2 square(int kernel, int stride = 1, int pad = 0, int dilation = 1, int groups = 1) {
  return {kernel, kernel, stride, stride, dilation, dilation, pad, pad, pad, pad, groups};
}

/// A convolution without its numbers.
inline Conv conv_shape(const Shape& in, int channels, const Window2& w) {
  const auto extent = [](int size, int pads, int kernel, int dilation, int stride) {
    return (size + pads - dilation * (kernel - 1) - 1) / stride + 1;
  };
  Conv c;
  c.in = in;
  c.out = {extent(in.height, w.top + w.bottom, w.kernel_h, w.dilation_h, w.stride_h),
           extent(in.width, w.left + w.right, w.kernel_w, w.dilation_w, w.stride_w), channels};
  c.kernel_h = w.kernel_h;
  c.kernel_w = w.kernel_w;
  c.stride_h = w.stride_h;
  c.stride_w = w.stride_w;
  c.dilation_h = w.dilation_h;
  c.dilation_w = w.dilation_w;
  c.pad_top = w.top;
  c.pad_left = w.left;
  c.groups = w.groups;
  return c;
}

}  // namespace coronet::test
