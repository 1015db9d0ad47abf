// A convolution on the device as GEMMs: which taps make which pixels, and how the weights are
// padded for that.
#pragma once

#include <utility>
#include <vector>

#include "ops/operators.h"

namespace coronet::cuda {

/// Along one axis, destination pixels to_step * q + to_base read the source pixels from_step * q +
/// a tap's offset.
struct ConvTaps {
  int to_step = 1;
  int to_base = 0;
  int from_step = 1;
  std::vector<int> offset;  ///< ascending
  std::vector<int> tap;
};

/// One GEMM, [pixels, k] by [k, n] of each group. Forward there is one; of the adjoint of a
/// convolution with stride s along an axis there are s, which make other pixels each.
struct ConvPhase {
  ConvTaps y, x;
  int source = 0, target = 0;  ///< channels of a group
  int taps = 0;
  int k = 0, n = 0;  ///< of the weights, padded with zeros
};

inline constexpr int kConvBlockK = 16;  // tiles of K: the weights are padded to the larger one

/// Columns of a block, by the channels of a group.
inline int conv_columns(int channels) {
  if (channels <= 4) return 4;
  if (channels <= 8) return 8;
  if (channels <= 16) return 16;
  if (channels <= 32) return 32;
  return 64;
}

inline ConvPhase conv_phase(const Conv& op, ConvTaps y, ConvTaps x, bool adjoint) {
  const auto round_up = [](int size, int to) { return (size + to - 1) / to * to; };
  const int cin = op.in.channels / op.groups;
  const int cout = op.out.channels / op.groups;
  ConvPhase phase;
  phase.source = adjoint ? cout : cin;
  phase.target = adjoint ? cin : cout;
  phase.taps = static_cast<int>(y.tap.size() * x.tap.size());
  phase.k = round_up(phase.taps * phase.source, kConvBlockK);
  phase.n = round_up(phase.target, conv_columns(phase.target));
  phase.y = std::move(y);
  phase.x = std::move(x);
  return phase;
}

inline std::vector<ConvPhase> forward_phases(const Conv& op) {
  const auto taps = [](int kernel, int dilation, int stride, int pad) {
    ConvTaps line;
    line.from_step = stride;
    for (int k = 0; k < kernel; ++k) {
      line.offset.push_back(k * dilation - pad);
      line.tap.push_back(k);
    }
    return line;
  };
  return {conv_phase(op, taps(op.kernel_h, op.dilation_h, op.stride_h, op.pad_top),
                     taps(op.kernel_w, op.dilation_w, op.stride_w, op.pad_left), false)};
}

inline std::vector<ConvPhase> adjoint_phases(const Conv& op) {
  // Input pixels with (i + pad) mod stride = phase; taps descend, so that source pixels ascend.
  const auto taps = [](int kernel, int dilation, int stride, int pad, int phase) {
    ConvTaps line;
    line.to_step = stride;
    line.to_base = phase - pad;
    for (int k = kernel - 1; k >= 0; --k) {
      const int offset = phase - k * dilation;
      if (offset % stride != 0) continue;
      line.offset.push_back(offset / stride);
      line.tap.push_back(k);
    }
    return line;
  };
  std::vector<ConvPhase> phases;
  for (int y = 0; y < op.stride_h; ++y) {
    for (int x = 0; x < op.stride_w; ++x) {
      phases.push_back(conv_phase(op, taps(op.kernel_h, op.dilation_h, op.stride_h, op.pad_top, y),
                                  taps(op.kernel_w, op.dilation_w, op.stride_w, op.pad_left, x),
                                  true));
    }
  }
  return phases;
}

}  // namespace coronet::cuda
