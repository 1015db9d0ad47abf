// Which part of a node's value the rows of a batch carry, as plain numbers that a kernel takes by
// value (device/extent.h says the same for the CPU).
#pragma once

#include <cstddef>

#include "device/conv.h"
#include "ops/shape.h"

namespace coronet::cuda {

/// Row r's window along one axis is [start[r] * scale + offset, + size).
struct Axis {
  int scale = 0;
  int offset = 0;
  int size = 1;
};

/// A row holds all of a node's image, or a window of it: [y.size][x.size][channels]. What of a
/// window lies outside the image is a gap: read as zero, written as zero.
struct Geometry {
  int height = 1, width = 1, channels = 1;
  Axis y, x;
  bool whole = true;

  [[nodiscard]] constexpr int size() const {
    return whole ? height * width * channels : y.size * x.size * channels;
  }
  [[nodiscard]] constexpr int node_size() const { return height * width * channels; }
};

inline bool same(const Geometry& a, const Geometry& b) {
  const auto equal = [](const Axis& p, const Axis& q) {
    return p.scale == q.scale && p.offset == q.offset && p.size == q.size;
  };
  return a.whole == b.whole && a.height == b.height && a.width == b.width &&
         a.channels == b.channels && (a.whole || (equal(a.y, b.y) && equal(a.x, b.x)));
}

inline Geometry whole(const Shape& shape) {
  return {shape.height,         shape.width,         shape.channels,
          {0, 0, shape.height}, {0, 0, shape.width}, true};
}

inline Geometry windowed(const Shape& shape, const device::Window& window) {
  return {shape.height,
          shape.width,
          shape.channels,
          {window.y.scale, window.y.offset, window.y.size},
          {window.x.scale, window.x.offset, window.x.size},
          false};
}

/// The rows of one call. All arrays are on the device.
struct Rows {
  int count = 0;
  const int* start_y = nullptr;  ///< [count]; null where no window is carried
  const int* start_x = nullptr;
  const int* domain = nullptr;  ///< [count]; null: all of domain 0
};

}  // namespace coronet::cuda
