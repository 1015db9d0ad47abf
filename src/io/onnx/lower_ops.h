// Checks and lowering of every imported operator; rules.cpp puts them into the table.
#pragma once

#include "io/onnx/lowering.h"

namespace coronet::importer {

// checks.cpp
Check check_any, check_first, check_matmul, check_gemm, check_multiply, check_divide, check_conv,
    check_window;
Check check_clip, check_reduce, check_batch_normalization;

// lower_linear.cpp
Lower lower_matmul, lower_gemm, lower_conv;

// lower_elementwise.cpp
Lower lower_add, lower_sub, lower_mul, lower_div, lower_neg, lower_max, lower_min, lower_clip;
Lower lower_relu, lower_leaky_relu, lower_sigmoid, lower_tanh, lower_batch_normalization;

// lower_pool.cpp
Lower lower_max_pool, lower_average_pool, lower_global_average_pool;
Lower lower_reduce_sum, lower_reduce_mean;

// lower_move.cpp
Lower lower_reshape, lower_transpose, lower_slice, lower_gather, lower_split, lower_expand;
Lower lower_concat, lower_pad;

/// The Lower of operators that have none, since they are always folded.
Lower lower_constant;

}  // namespace coronet::importer
