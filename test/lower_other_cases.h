// Sums, pools, reductions, movements and activations.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "lower_case.h"

namespace coronet::test {

inline std::vector<LowerCase> lower_other_cases() {
  return {
      {"residual",
       {1, 3, 4, 4},
       [](OnnxBuilder& b) {
         b.random("w", {3, 3, 3, 3})
             .node("Conv", {"x", "w"}, {"c"}, {{"pads", Shape64{1, 1, 1, 1}}})
             .node("Add", {"x", "c"}, {"s"})
             .node("Relu", {"s"}, {"y"});
       },
       ""},
      {"sum of two layouts",
       {1, 12},
       [](OnnxBuilder& b) {
         b.random("w", {3, 3, 1, 1})
             .ints("s", {1, 3, 2, 2})
             .random("v", {12, 12})
             .node("Reshape", {"x", "s"}, {"r"})
             .node("Conv", {"r", "w"}, {"c"})
             .node("Flatten", {"c"}, {"f"})
             .node("MatMul", {"x", "v"}, {"m"})
             .node("Sub", {"m", "f"}, {"y"});
       },
       ""},
      {"variable broadcast",
       {2, 1},
       [](OnnxBuilder& b) {
         b.random("w", {1, 3}).node("MatMul", {"x", "w"}, {"m"}).node("Sub", {"x", "m"}, {"y"});
       },
       ""},
      {"twice the same",
       {3},
       [](OnnxBuilder& b) {
         b.node("Add", {"x", "x"}, {"y"});
       },
       "Input Scale"},
      {"difference of the same",
       {3},
       [](OnnxBuilder& b) {
         b.node("Sub", {"x", "x"}, {"y"});
       },
       "Input Scale"},
      {"neg, sub from constant",
       {3},
       [](OnnxBuilder& b) {
         b.random("c", {3}).node("Neg", {"x"}, {"n"}).node("Sub", {"c", "n"}, {"y"});
       },
       "Input Scale"},
      {"mul per channel", kImage,
       [](OnnxBuilder& b) {
         b.random("c", {3, 1, 1}).node("Mul", {"c", "x"}, {"y"});
       },
       "Input Scale"},
      {"constant broadcasts the variable",
       {3},
       [](OnnxBuilder& b) {
         b.random("c", {2, 3}).node("Mul", {"x", "c"}, {"m"}).node("Div", {"m", "c"}, {"y"});
       },
       ""},
      {"average pool", kImage,
       [](OnnxBuilder& b) {
         b.node("AveragePool", {"x"}, {"y"},
                {{"kernel_shape", Shape64{3, 2}},
                 {"pads", Shape64{1, 1, 0, 0}},
                 {"strides", Shape64{1, 2}}});
       },
       "Input Sparse"},
      {"average pool, scaled", kImage,
       [](OnnxBuilder& b) {
         b.random("c", {3, 1, 1})
             .node("AveragePool", {"x"}, {"p"},
                   {{"kernel_shape", Shape64{2, 2}},
                    {"count_include_pad", 1},
                    {"pads", Shape64{0, 0, 1, 1}}})
             .node("Mul", {"p", "c"}, {"y"});
       },
       "Input Sparse"},
      {"average pool 1-D",
       {1, 2, 6},
       [](OnnxBuilder& b) {
         b.node(
             "AveragePool", {"x"}, {"y"},
             {{"kernel_shape", Shape64{3}}, {"auto_pad", "SAME_UPPER"}, {"strides", Shape64{2}}});
       },
       "Input Sparse"},
      {"global average pool", kImage,
       [](OnnxBuilder& b) {
         add_conv(b, "x", "c");
         b.node("GlobalAveragePool", {"c"}, {"g"}).node("Flatten", {"g"}, {"y"});
       },
       "Input Conv Sparse"},
      {"max pool", kImage,
       [](OnnxBuilder& b) {
         b.node("MaxPool", {"x"}, {"y"}, {{"kernel_shape", Shape64{2, 1}}});
       },
       "Input Select Select Sum Relu Sum"},
      {"max pool padded", kImage,
       [](OnnxBuilder& b) {
         add_conv(b, "x", "c");
         b.node("MaxPool", {"c"}, {"y"},
                {{"kernel_shape", Shape64{3, 3}},
                 {"pads", Shape64{1, 1, 1, 1}},
                 {"strides", Shape64{2, 2}}});
       },
       ""},
      {"max pool of the same",
       {1, 1, 3},
       [](OnnxBuilder& b) {
         b.node("MaxPool", {"x"}, {"y"}, {{"kernel_shape", Shape64{1}}, {"strides", Shape64{2}}});
       },
       "Input Select"},
      {"pad then conv", kImage,
       [](OnnxBuilder& b) {
         b.ints("p", {0, 0, 1, 0, 0, 0, 0, 2})
             .weight("v", {}, {0.5})
             .node("Pad", {"x", "p", "v"}, {"q"});
         add_conv(b, "q", "y");
       },
       "Input Select Conv"},
      {"empty pad", kImage,
       [](OnnxBuilder& b) {
         b.node("Pad", {"x"}, {"q"}, {{"pads", Shape64{0, 0, 0, 0, 0, 0, 0, 0}}});
         add_conv(b, "q", "y");
       },
       "Input Conv", 9},
      {"concat, slice, gather",
       {1, 6},
       [](OnnxBuilder& b) {
         b.random("c", {1, 2})
             .ints("i", {5, 0, 7, 3})
             .node("Concat", {"x", "c", "x"}, {"j"}, {{"axis", 1}})
             .node("Gather", {"j", "i"}, {"g"}, {{"axis", 1}})
             .node("Relu", {"g"}, {"y"});
       },
       "Input Select Relu"},
      {"concat of two layers",
       {1, 3, 3, 3},
       [](OnnxBuilder& b) {
         b.random("v", {2, 3, 1, 1})
             .random("w", {1, 3, 1, 1})
             .random("u", {2, 3, 2, 2})
             .node("Conv", {"x", "v"}, {"a"})
             .node("Conv", {"x", "w"}, {"b"})
             .node("Concat", {"a", "b"}, {"j"}, {{"axis", 1}})
             .node("Relu", {"j"}, {"r"})
             .node("Conv", {"r", "u"}, {"y"});
       },
       ""},
      {"slice backwards",
       {4, 5},
       [](OnnxBuilder& b) {
         b.ints("s", {-1, 4})
             .ints("e", {-9, 0})
             .ints("a", {0, 1})
             .ints("t", {-1, -2})
             .node("Slice", {"x", "s", "e", "a", "t"}, {"y"});
       },
       "Input Select"},
      {"split, sum of parts",
       {1, 6},
       [](OnnxBuilder& b) {
         b.node("Split", {"x"}, {"a", "b"}, {{"axis", 1}}).node("Sub", {"b", "a"}, {"y"});
       },
       "Input Select Select Sum"},
      {"squeeze, unsqueeze, identity, dropout, cast",
       {1, 3},
       [](OnnxBuilder& b) {
         b.ints("a", {0})
             .node("Squeeze", {"x", "a"}, {"s"})
             .node("Identity", {"s"}, {"i"})
             .node("Dropout", {"i"}, {"d"})
             .node("Cast", {"d"}, {"k"}, {{"to", 1}})
             .node("Relu", {"k"}, {"r"})
             .node("Unsqueeze", {"r", "a"}, {"y"});
       },
       "Input Relu"},
      {"expand",
       {1, 3},
       [](OnnxBuilder& b) {
         b.ints("s", {2, 1, 3}).node("Expand", {"x", "s"}, {"e"}).node("Relu", {"e"}, {"y"});
       },
       "Input Select Relu"},
      {"reduce sum",
       {2, 3, 4},
       [](OnnxBuilder& b) {
         b.ints("a", {0, -1}).node("ReduceSum", {"x", "a"}, {"y"}, {{"keepdims", 0}});
       },
       "Input Sparse"},
      {"reduce nothing",
       {2, 3},
       [](OnnxBuilder& b) {
         b.ints("a", {}).node("ReduceSum", {"x", "a"}, {"y"}, {{"noop_with_empty_axes", 1}});
       },
       "Input Sparse"},
      {"reduce mean of an image", kImage,
       [](OnnxBuilder& b) {
         add_conv(b, "x", "c");
         b.node("ReduceMean", {"c"}, {"y"}, {{"axes", Shape64{2, 3}}});
       },
       "Input Conv Sparse"},
      {"leaky relu", {3}, [](OnnxBuilder& b) { b.node("LeakyRelu", {"x"}, {"y"}); }, "Input Relu"},
      {"leaky relu, negative slope",
       {3},
       [](OnnxBuilder& b) {
         b.node("LeakyRelu", {"x"}, {"y"}, {{"alpha", -0.5F}});
       },
       ""},
      {"sigmoid and tanh",
       {3},
       [](OnnxBuilder& b) { b.node("Sigmoid", {"x"}, {"s"}).node("Tanh", {"s"}, {"y"}); },
       "Input Sigmoid Tanh"},
      {"clip",
       {8},
       [](OnnxBuilder& b) {
         b.weight("l", {}, {-0.25}).weight("h", {}, {0.5}).node("Clip", {"x", "l", "h"}, {"y"});
       },
       ""},
      {"clip without bounds",
       {8},
       [](OnnxBuilder& b) { b.node("Clip", {"x"}, {"r"}).node("Relu", {"r"}, {"y"}); },
       "Input Relu"},
      {"max and min",
       {2, 3},
       [](OnnxBuilder& b) {
         b.random("c", {3})
             .random("d", {2, 1})
             .node("Max", {"x", "c"}, {"m"})
             .node("Min", {"d", "m", "x"}, {"y"});
       },
       ""},
      {"folded constants",
       {2, 2},
       [](OnnxBuilder& b) {
         b.random("w", {2, 2})
             .random("c", {2, 2})
             .ints("s", {4})
             .node("Transpose", {"w"}, {"t"})
             .node("Add", {"t", "c"}, {"u"})
             .node("Mul", {"u", "u"}, {"v"})
             .node("MatMul", {"x", "v"}, {"m"})
             .node("Reshape", {"m", "s"}, {"y"});
       },
       "Input Conv"},
      {"constants of shape",
       {2, 3},
       [](OnnxBuilder& b) {
         b.node("Shape", {"x"}, {"s"})
             .node("ConstantOfShape", {"s"}, {"z"})
             .node("Constant", {}, {"k"}, {{"value_float", 2.0F}})
             .node("Add", {"z", "k"}, {"c"})
             .node("Mul", {"x", "c"}, {"y"});
       },
       "Input Scale"},
      {"the input itself",
       {3},
       [](OnnxBuilder& b) { b.node("Identity", {"x"}, {"y"}); },
       "Input Scale"},
      {"a scalar", {}, [](OnnxBuilder& b) { b.node("Relu", {"x"}, {"y"}); }, "Input Relu"},
  };
}

}  // namespace coronet::test
