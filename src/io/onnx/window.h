// Sliding windows of convolutions and pools. One spatial dimension is treated as two, the first of
// size 1.
#pragma once

#include <array>

#include "io/onnx/op.h"

namespace coronet::importer {

struct Window {
  int spatial = 2;  ///< 1 or 2, as in the model
  std::int64_t channels = 1;
  std::array<std::int64_t, 2> in{1, 1};
  std::array<std::int64_t, 2> out{1, 1};
  std::array<std::int64_t, 2> kernel{1, 1};
  std::array<std::int64_t, 2> stride{1, 1};
  std::array<std::int64_t, 2> dilation{1, 1};
  std::array<std::int64_t, 2> pad_begin{0, 0};
  std::array<std::int64_t, 2> pad_end{0, 0};

  /// Where tap k of output position o reads along axis a; outside [0, in) is padding.
  [[nodiscard]] std::int64_t source(std::size_t a, std::int64_t o, std::int64_t k) const {
    return o * stride[a] - pad_begin[a] + k * dilation[a];
  }
  [[nodiscard]] bool inside(std::size_t a, std::int64_t position) const {
    return position >= 0 && position < in[a];
  }
  [[nodiscard]] std::int64_t positions() const { return out[0] * out[1]; }

  /// [batch, channels, out...] with the model's number of spatial dimensions.
  [[nodiscard]] Dims out_dims(std::int64_t batch, std::int64_t out_channels) const;
};

/// The window that attributes (strides, pads, auto_pad, dilations, ceil_mode) describe over an
/// input [N, C, L] or [N, C, H, W].
Window window_of(const OpNode& node, const Dims& input, const std::vector<std::int64_t>& kernel);

/// The same with the attribute kernel_shape.
Window pool_window_of(const OpNode& node, const Dims& input);

}  // namespace coronet::importer
