// Shapes and evaluation of every imported operator; rules.cpp puts them into the table.
#pragma once

#include "io/onnx/op.h"

namespace coronet::importer {

// ops_elementwise.cpp
Infer infer_same, infer_broadcast, infer_batch_normalization;
Evaluate evaluate_add, evaluate_sub, evaluate_mul, evaluate_div, evaluate_max, evaluate_min;
Evaluate evaluate_neg, evaluate_relu, evaluate_leaky_relu, evaluate_sigmoid, evaluate_tanh;
Evaluate evaluate_clip, evaluate_batch_normalization;

/// The bounds of a Clip, infinite where there is none.
struct ClipRange {
  double low;
  double high;
};
ClipRange clip_range(const OpNode& node, const Args& in);

// ops_linear.cpp
Infer infer_matmul, infer_gemm, infer_conv;
Evaluate evaluate_matmul, evaluate_gemm, evaluate_conv;

/// Numpy's matmul: shapes with rank-1 operands made matrices, and the leading dimensions broadcast.
struct Product {
  Dims a, b;   ///< at least rank 2
  Dims batch;  ///< broadcast leading dimensions
  Dims out;    ///< without the dimensions that rank-1 operands lack
  std::int64_t m = 1, k = 1, n = 1;
};
Product product_of(const Dims& a, const Dims& b);

// ops_pool.cpp
Infer infer_max_pool, infer_average_pool, infer_global_average_pool, infer_reduce;
Evaluate evaluate_max_pool, evaluate_average_pool, evaluate_global_average_pool;
Evaluate evaluate_reduce_sum, evaluate_reduce_mean;

/// The axes that a ReduceSum or ReduceMean runs over, sorted, and the output's shape.
struct Reduction {
  std::vector<bool> reduced;  ///< by axis of the input
  Dims kept;                  ///< the input's shape with reduced axes set to 1
  Dims out;
  std::int64_t count = 1;  ///< elements that become one
};
Reduction reduction_of(const OpNode& node, const Args& in);

// ops_shape.cpp and ops_move.cpp: operators that only move elements, so that evaluating them on
// element numbers gives the map that lowering needs.
Infer infer_reshape, infer_flatten, infer_squeeze, infer_unsqueeze, infer_identity;
Evaluate evaluate_reshape, evaluate_flatten, evaluate_squeeze, evaluate_unsqueeze,
    evaluate_identity;
Infer infer_transpose, infer_concat, infer_slice, infer_gather, infer_split, infer_expand,
    infer_pad;
Evaluate evaluate_transpose, evaluate_concat, evaluate_slice, evaluate_gather, evaluate_split;
Evaluate evaluate_expand, evaluate_pad;

/// Pads `x` as the node says, with `fill`; the fill that the node itself names.
Tensor pad(const OpNode& node, const Args& in, const Tensor& x, double fill);
double pad_fill(const OpNode& node, const Args& in);

// ops_constant.cpp
Infer infer_constant, infer_constant_of_shape, infer_shape, infer_cast;
Evaluate evaluate_constant, evaluate_constant_of_shape, evaluate_shape, evaluate_cast;

}  // namespace coronet::importer
