// The operators of the lowered graph: what an ONNX graph becomes (io/lower), and all that the
// engine knows.
//
// Affine operators say how a value is mapped; elementwise operators how one number is. Everything
// else that ONNX has is written with these (MaxPool by ReLU, BatchNormalization by Scale,
// Transpose, Slice and Concat by Select, ...).
#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include "ops/shape.h"
#include "ops/weight.h"

namespace coronet {

/// How far the numbers of an affine operator are from those that the model's own numbers give in
/// exact arithmetic, where lowering computed them: a weight is within (1 + 2^-53)^roundings of the
/// exact one, and so is each term of a bias. The sizes of a bias's terms add up to |bias| +
/// hidden[i] (empty: to |bias|).
struct Precision {
  int roundings = 0;
  std::vector<double> hidden;  ///< as many as there are biases, or none
};

/// The network's one float input, `node.shape.size()` numbers.
struct Input {};

/// y = W u + bias, with W of shape [out, in], row-major; u is flat in its own (y, x, channel)
/// order.
struct Dense {
  int in = 0;
  int out = 0;
  Weight weight;
  std::vector<double> bias;  ///< [out]
  Precision precision{};
};

/// 2-D convolution, cross-correlation as in ONNX; 1-D ones have height 1.
struct Conv {
  Shape in;
  Shape out;
  int kernel_h = 1, kernel_w = 1;
  int stride_h = 1, stride_w = 1;
  int dilation_h = 1, dilation_w = 1;
  int pad_top = 0, pad_left = 0;  ///< what is padded below and right follows from the shapes
  int groups = 1;
  Weight weight;             ///< [out.channels][kernel_h][kernel_w][in.channels / groups]
  std::vector<double> bias;  ///< [out.channels]
  Precision precision{};
};

/// y_i = scale[i % period] * u_i + shift[i % period]; period divides the node's size
/// (1: one number for all; channels: per channel; size: per element).
struct Scale {
  std::vector<double> scale;  ///< [period]
  std::vector<double> shift;  ///< [period]
  Precision precision{};
};

/// y = sum over inputs k of coefficient[k] * u_k; all of one size.
struct Sum {
  std::vector<double> coefficient;  ///< [number of inputs]
};

/// y_i = concatenation(u_0, u_1, ...)[index[i]], or 0 where index[i] < 0; plus constant[i] where
/// constant is not empty.
struct Select {
  std::vector<std::int32_t> index;  ///< [size]
  std::vector<double> constant;     ///< [size] or empty
  Precision precision{};
};

/// y = M u + bias, M sparse in compressed rows; for pools, reductions and other small linear maps.
struct Sparse {
  std::vector<std::int64_t> row;     ///< [size + 1]: entries of output i are row[i] .. row[i + 1]
  std::vector<std::int32_t> column;  ///< [entries]
  std::vector<double> value;         ///< [entries]
  std::vector<double> bias;          ///< [size]
  Precision precision{};
};

/// max(u, 0) + negative_slope * min(u, 0), with 0 <= negative_slope < 1 (ReLU: 0; LeakyReLU
/// otherwise).
struct Relu {
  double negative_slope = 0;
};

/// 1 / (1 + exp(-u))
struct Sigmoid {};

/// tanh(u)
struct Tanh {};

/// THE list: an operator exists for the engine if and only if it stands here.
using Operator = std::variant<Input, Dense, Conv, Scale, Sum, Select, Sparse, Relu, Sigmoid, Tanh>;

}  // namespace coronet
