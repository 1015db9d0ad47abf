// The shape of a node of the lowered graph.
#pragma once

#include <cstddef>

namespace coronet {

/// A node's value is `size()` numbers in the order (y, x, channel): channels last. A flat node is 1
/// x 1 x n.
struct Shape {
  int height = 1;
  int width = 1;
  int channels = 1;

  [[nodiscard]] int size() const { return height * width * channels; }
  [[nodiscard]] bool image() const { return height > 1 || width > 1; }
  friend bool operator==(const Shape&, const Shape&) = default;
};

}  // namespace coronet
