// Matrix products, convolutions, and scales beside them.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "lower_case.h"

namespace coronet::test {

inline std::vector<LowerCase> lower_affine_cases() {
  return {
      {"matmul and bias",
       {1, 4},
       [](OnnxBuilder& b) {
         b.random("w", {4, 3})
             .random("c", {3})
             .node("MatMul", {"x", "w"}, {"m"})
             .node("Add", {"c", "m"}, {"y"});
       },
       "Input Dense"},
      {"gemm with variable addend",
       {1, 4},
       [](OnnxBuilder& b) {
         b.random("w", {4, 4})
             .node("Gemm", {"x", "w", "x"}, {"y"}, {{"alpha", 0.5F}, {"beta", 2.0F}});
       },
       "Input Dense Sum"},
      {"gemm constant left",
       {4, 3},
       [](OnnxBuilder& b) {
         b.random("w", {4, 2})
             .random("c", {3})
             .node("Gemm", {"w", "x", "c"}, {"y"}, {{"transA", 1}});
       },
       "Input Conv Scale"},
      {"gemm constant left, both transposed",
       {3, 4},
       [](OnnxBuilder& b) {
         b.random("w", {4, 2}).node("Gemm", {"w", "x"}, {"y"}, {{"transA", 1}, {"transB", 1}});
       },
       "Input Conv"},
      {"gemm transposed variable",
       {4, 3},
       [](OnnxBuilder& b) {
         b.random("w", {4, 2}).node("Gemm", {"x", "w"}, {"y"}, {{"transA", 1}});
       },
       "Input Conv"},
      {"matmul rows",
       {1, 3, 4},
       [](OnnxBuilder& b) {
         b.random("w", {4, 2})
             .random("c", {2})
             .node("MatMul", {"x", "w"}, {"m"})
             .node("Add", {"m", "c"}, {"y"});
       },
       "Input Conv"},
      {"matmul left of rows",
       {2, 4, 3},
       [](OnnxBuilder& b) {
         b.random("w", {5, 4}).node("MatMul", {"w", "x"}, {"y"});
       },
       "Input Conv"},
      {"matmul left of a column",
       {4},
       [](OnnxBuilder& b) {
         b.random("w", {5, 4}).node("MatMul", {"w", "x"}, {"y"});
       },
       "Input Dense"},
      {"matmul of batches",
       {2, 3, 4},
       [](OnnxBuilder& b) {
         b.random("w", {2, 4, 2}).node("MatMul", {"x", "w"}, {"y"});
       },
       "Input Sparse"},
      {"matmul of batches, left",
       {2, 3, 4},
       [](OnnxBuilder& b) {
         b.random("w", {2, 2, 3}).node("MatMul", {"w", "x"}, {"y"});
       },
       "Input Sparse"},
      {"conv", kImage,
       [](OnnxBuilder& b) {
         add_conv(b, "x", "y", {1, 0, 0, 1});
       },
       "Input Conv"},
      {"conv, flatten, gemm", kImage,
       [](OnnxBuilder& b) {
         add_conv(b, "x", "c");
         b.random("w", {24, 3})
             .node("Relu", {"c"}, {"r"})
             .node("Flatten", {"r"}, {"f"})
             .node("Gemm", {"f", "w"}, {"y"});
       },
       "Input Conv Relu Dense"},
      {"flat input reshaped to an image",
       {1, 60},
       [](OnnxBuilder& b) {
         b.ints("s", {1, 3, 4, 5}).node("Reshape", {"x", "s"}, {"r"});
         add_conv(b, "r", "y");
       },
       "Input Conv"},
      {"channels-last input",
       {1, 4, 5, 3},
       [](OnnxBuilder& b) {
         b.node("Transpose", {"x"}, {"t"}, {{"perm", Shape64{0, 3, 1, 2}}});
         add_conv(b, "t", "c");
         b.node("Transpose", {"c"}, {"y"}, {{"perm", Shape64{0, 2, 3, 1}}});
       },
       "Input Conv"},
      {"transposed on the way",
       {1, 60},
       [](OnnxBuilder& b) {
         b.ints("s", {5, 3, 4, 1})
             .node("Reshape", {"x", "s"}, {"r"})
             .node("Transpose", {"r"}, {"t"}, {{"perm", Shape64{3, 1, 2, 0}}});
         add_conv(b, "t", "y");
       },
       "Input Conv"},
      {"gemm reshaped to an image",
       {1, 4},
       [](OnnxBuilder& b) {
         b.random("w", {4, 60})
             .ints("s", {1, 3, 4, 5})
             .node("Gemm", {"x", "w"}, {"g"})
             .node("Relu", {"g"}, {"q"})
             .node("Reshape", {"q", "s"}, {"r"});
         add_conv(b, "r", "y");
       },
       "Input Dense Relu Conv"},
      {"normalised, no padding", kImage,
       [](OnnxBuilder& b) {
         b.random("m", {3, 1, 1})
             .random("d", {3, 1, 1}, 3)
             .node("Sub", {"x", "m"}, {"s"})
             .node("Div", {"s", "d"}, {"n"});
         add_conv(b, "n", "y");
       },
       "Input Conv"},
      {"normalised, padding", kImage,
       [](OnnxBuilder& b) {
         b.random("m", {3, 1, 1})
             .random("d", {3, 1, 1}, 3)
             .node("Sub", {"x", "m"}, {"s"})
             .node("Div", {"s", "d"}, {"n"});
         add_conv(b, "n", "y", {1, 1, 1, 1});
       },
       "Input Scale Conv"},
      {"scaled, padding", kImage,
       [](OnnxBuilder& b) {
         b.random("d", {3, 1, 1}, 3).node("Div", {"x", "d"}, {"n"});
         add_conv(b, "n", "y", {1, 1, 1, 1});
       },
       "Input Conv"},
      {"normalised, padding only behind", kImage,
       [](OnnxBuilder& b) {
         b.random("m", {1}).node("Sub", {"x", "m"}, {"n"});
         add_conv(b, "n", "y", {0, 0, 1, 0});
       },
       "Input Scale Conv"},
      {"normalised before gemm",
       {1, 4},
       [](OnnxBuilder& b) {
         b.random("m", {4})
             .random("d", {4}, 3)
             .random("w", {4, 3})
             .node("Sub", {"x", "m"}, {"s"})
             .node("Div", {"s", "d"}, {"n"})
             .node("Gemm", {"n", "w"}, {"y"});
       },
       "Input Dense"},
      {"batch normalisation after conv", kImage,
       [](OnnxBuilder& b) {
         add_conv(b, "x", "c");
         b.random("g", {2})
             .random("h", {2})
             .random("m", {2})
             .random("v", {2}, 3)
             .node("BatchNormalization", {"c", "g", "h", "m", "v"}, {"y"}, {{"epsilon", 0.25F}});
       },
       "Input Conv"},
      {"batch normalisation after gemm",
       {1, 4},
       [](OnnxBuilder& b) {
         b.random("w", {4, 3})
             .random("g", {3})
             .random("h", {3})
             .random("m", {3})
             .random("v", {3}, 3)
             .node("Gemm", {"x", "w"}, {"c"})
             .node("BatchNormalization", {"c", "g", "h", "m", "v"}, {"y"});
       },
       "Input Dense"},
      {"grouped conv, scaled before and after",
       {1, 4, 3, 3},
       [](OnnxBuilder& b) {
         b.random("s", {1, 4, 1, 1}, 2)
             .random("t", {4, 1, 1})
             .random("w", {6, 2, 2, 2})
             .random("u", {6, 1, 1})
             .node("Mul", {"x", "s"}, {"a"})
             .node("Add", {"a", "t"}, {"q"})
             .node("Conv", {"q", "w"}, {"c"}, {{"group", 2}})
             .node("Mul", {"c", "u"}, {"y"});
       },
       "Input Conv"},
      {"a scale with two readers stays",
       {1, 4},
       [](OnnxBuilder& b) {
         b.random("s", {4})
             .random("w", {4, 4})
             .node("Mul", {"x", "s"}, {"m"})
             .node("MatMul", {"m", "w"}, {"d"})
             .node("Add", {"d", "m"}, {"y"});
       },
       "Input Scale Dense Sum"},
      {"conv 1-D",
       {1, 2, 7},
       [](OnnxBuilder& b) {
         b.random("w", {3, 2, 3})
             .node("Conv", {"x", "w"}, {"y"}, {{"strides", Shape64{2}}, {"pads", Shape64{1, 2}}});
       },
       "Input Conv"},
  };
}

}  // namespace coronet::test
