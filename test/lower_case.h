// A model to lower, and what it should become.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "onnx_builder.h"

namespace coronet::test {

struct LowerCase {
  std::string name;
  Shape64 input;
  std::function<void(OnnxBuilder&)> build;  ///< makes y of x
  std::string nodes;                        ///< the expected outline; "" for any
  int opset = 13;
};

inline const Shape64 kImage{1, 3, 4, 5};

/// A small convolution of `from`, an image of three channels.
inline void add_conv(OnnxBuilder& b, const std::string& from, const std::string& to,
                     Shape64 pads = {0, 0, 0, 0}) {
  b.random(to + "_w", {2, 3, 2, 2})
      .random(to + "_b", {2})
      .node("Conv", {from, to + "_w", to + "_b"}, {to}, {{"pads", std::move(pads)}});
}

}  // namespace coronet::test
