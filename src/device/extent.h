// Which part of a node's value the rows of a batch carry, and how the parts of two nodes lie to
// each other.
#pragma once

#include <algorithm>
#include <cstddef>

#include "device/conv.h"
#include "ops/shape.h"

namespace coronet::device {

/// The rows of one call: how many, and where each one starts (in the image of the node that the
/// rows are about).
struct RowSet {
  int count = 0;
  const int* start_y = nullptr;
  const int* start_x = nullptr;
};

/// A row holds `size()` numbers: the window of the node's image, or all of the node's value.
struct Extent {
  Shape shape;
  Window window;
  bool whole = true;

  static Extent all(const Shape& shape) {
    return {shape, {{0, 0, shape.height}, {0, 0, shape.width}}, true};
  }
  [[nodiscard]] int size() const {
    return whole ? shape.size() : window.y.size * window.x.size * shape.channels;
  }
  friend bool operator==(const Extent&, const Extent&) = default;
};

/// Calls fn(offset in the row, offset in the node's value, length) for each contiguous piece of row
/// r inside the image, and gap(offset in the row, length) for each piece outside.
template <class Fn, class Gap>
inline void for_each_run(const Extent& e, const RowSet& rows, int r, Fn&& fn, Gap&& gap) {
  if (e.whole) {
    fn(0, 0, e.shape.size());
    return;
  }
  const int c = e.shape.channels;
  const int y0 = e.window.y.origin(rows.start_y[r]);
  const int x0 = e.window.x.origin(rows.start_x[r]);
  const int left = std::clamp(-x0, 0, e.window.x.size);
  const int right = std::clamp(e.shape.width - x0, left, e.window.x.size);
  for (int y = 0; y < e.window.y.size; ++y) {
    const int row = y * e.window.x.size * c;
    const bool inside = y0 + y >= 0 && y0 + y < e.shape.height;
    if (!inside || right == left) {
      gap(row, e.window.x.size * c);
      continue;
    }
    if (left > 0) gap(row, left * c);
    fn(row + left * c, ((y0 + y) * e.shape.width + x0 + left) * c, (right - left) * c);
    if (right < e.window.x.size) gap(row + right * c, (e.window.x.size - right) * c);
  }
}

/// The offset in row r of extent `e` of the node element at `node_offset`, which must lie inside
/// the window.
inline int offset_in(const Extent& e, const RowSet& rows, int r, int node_offset) {
  if (e.whole) return node_offset;
  const int c = e.shape.channels;
  const int pixel = node_offset / c;
  const int y = pixel / e.shape.width - e.window.y.origin(rows.start_y[r]);
  const int x = pixel % e.shape.width - e.window.x.origin(rows.start_x[r]);
  return (y * e.window.x.size + x) * c + node_offset % c;
}

/// The same, or -1 where the window does not reach that element.
inline int offset_if_inside(const Extent& e, const RowSet& rows, int r, int node_offset) {
  if (e.whole) return node_offset;
  const int pixel = node_offset / e.shape.channels;
  const int y = pixel / e.shape.width - e.window.y.origin(rows.start_y[r]);
  const int x = pixel % e.shape.width - e.window.x.origin(rows.start_x[r]);
  const bool inside = y >= 0 && y < e.window.y.size && x >= 0 && x < e.window.x.size;
  return inside ? offset_in(e, rows, r, node_offset) : -1;
}

/// The least extent that covers both; all of the node where their windows move differently.
inline Extent cover(const Extent& a, const Extent& b) {
  if (a == b) return a;
  if (a.whole || b.whole) return Extent::all(a.shape);
  const auto join = [](const Span& p, const Span& q, Span& out) {
    if (p.scale != q.scale) return false;
    out.scale = p.scale;
    out.offset = std::min(p.offset, q.offset);
    out.size = std::max(p.offset + p.size, q.offset + q.size) - out.offset;
    return true;
  };
  Extent e = a;
  e.whole = false;
  if (!join(a.window.y, b.window.y, e.window.y) || !join(a.window.x, b.window.x, e.window.x)) {
    return Extent::all(a.shape);
  }
  return e;
}

/// The extent itself, or the whole node where the window is no smaller.
inline Extent tidy(const Extent& e) {
  if (!e.whole && e.window.y.size * e.window.x.size >= e.shape.height * e.shape.width) {
    return Extent::all(e.shape);
  }
  return e;
}

}  // namespace coronet::device
