// THE table of imported ONNX operators: an operator is imported if and only if it stands here.
#include <algorithm>

#include "io/onnx/lower_ops.h"
#include "io/onnx/ops.h"

namespace coronet::importer {

constexpr std::size_t kMany = 1000000;
constexpr bool kExact = false;
constexpr bool kRounds = true;

const std::vector<Rule>& all_rules() {
  static const std::vector<Rule> kRules = {
      // name, least and most inputs, shapes, evaluation, does it round, what is refused, lowering,
      // what it becomes
      {"Add", 2, 2, infer_broadcast, evaluate_add, kRounds, check_any, lower_add,
       "Sum, or a shift (affine, exact)"},
      {"AveragePool", 1, 1, infer_average_pool, evaluate_average_pool, kRounds, check_window,
       lower_average_pool, "Sparse (affine)"},
      {"BatchNormalization", 5, 5, infer_batch_normalization, evaluate_batch_normalization, kRounds,
       check_batch_normalization, lower_batch_normalization, "Scale (affine)"},
      {"Cast", 1, 1, infer_cast, evaluate_cast, kExact, check_any, lower_reshape,
       "nothing (exact)"},
      {"Clip", 1, 3, infer_same, evaluate_clip, kExact, check_clip, lower_clip, "two Relu (exact)"},
      {"Concat", 1, kMany, infer_concat, evaluate_concat, kExact, check_any, lower_concat,
       "Select (exact)"},
      {"Constant", 0, 0, infer_constant, evaluate_constant, kExact, check_any, lower_constant,
       "folded"},
      {"ConstantOfShape", 1, 1, infer_constant_of_shape, evaluate_constant_of_shape, kExact,
       check_any, lower_constant, "folded"},
      {"Conv", 2, 3, infer_conv, evaluate_conv, kRounds, check_conv, lower_conv,
       "Conv (affine, exact)"},
      {"Div", 2, 2, infer_broadcast, evaluate_div, kRounds, check_divide, lower_div,
       "Scale (affine)"},
      {"Dropout", 1, 3, infer_identity, evaluate_identity, kExact, check_any, lower_reshape,
       "nothing (exact)"},
      {"Expand", 2, 2, infer_expand, evaluate_expand, kExact, check_any, lower_expand,
       "Select (exact)"},
      {"Flatten", 1, 1, infer_flatten, evaluate_flatten, kExact, check_any, lower_reshape,
       "another order (exact)"},
      {"Gather", 2, 2, infer_gather, evaluate_gather, kExact, check_any, lower_gather,
       "Select (exact)"},
      {"Gemm", 2, 3, infer_gemm, evaluate_gemm, kRounds, check_gemm, lower_gemm,
       "Dense (affine, exact)"},
      {"GlobalAveragePool", 1, 1, infer_global_average_pool, evaluate_global_average_pool, kRounds,
       check_any, lower_global_average_pool, "Sparse (affine)"},
      {"Identity", 1, 1, infer_identity, evaluate_identity, kExact, check_any, lower_reshape,
       "nothing (exact)"},
      {"LeakyRelu", 1, 1, infer_same, evaluate_leaky_relu, kRounds, check_any, lower_leaky_relu,
       "Relu with a slope (exact)"},
      {"MatMul", 2, 2, infer_matmul, evaluate_matmul, kRounds, check_matmul, lower_matmul,
       "Dense (affine, exact)"},
      {"Max", 1, kMany, infer_broadcast, evaluate_max, kExact, check_any, lower_max,
       "Relu of a difference (exact)"},
      {"MaxPool", 1, 1, infer_max_pool, evaluate_max_pool, kExact, check_window, lower_max_pool,
       "a tree of Relu (exact)"},
      {"Min", 1, kMany, infer_broadcast, evaluate_min, kExact, check_any, lower_min,
       "Relu of a difference (exact)"},
      {"Mul", 2, 2, infer_broadcast, evaluate_mul, kRounds, check_multiply, lower_mul,
       "Scale (affine, exact)"},
      {"Neg", 1, 1, infer_same, evaluate_neg, kExact, check_any, lower_neg,
       "Scale (affine, exact)"},
      {"Pad", 1, 4, infer_pad, evaluate_pad, kExact, check_any, lower_pad, "Select (exact)"},
      {"ReduceMean", 1, 2, infer_reduce, evaluate_reduce_mean, kRounds, check_reduce,
       lower_reduce_mean, "Sparse (affine)"},
      {"ReduceSum", 1, 2, infer_reduce, evaluate_reduce_sum, kRounds, check_reduce,
       lower_reduce_sum, "Sparse (affine, exact)"},
      {"Relu", 1, 1, infer_same, evaluate_relu, kExact, check_any, lower_relu, "Relu (exact)"},
      {"Reshape", 2, 2, infer_reshape, evaluate_reshape, kExact, check_any, lower_reshape,
       "another order (exact)"},
      {"Shape", 1, 1, infer_shape, evaluate_shape, kExact, check_any, lower_constant, "folded"},
      {"Sigmoid", 1, 1, infer_same, evaluate_sigmoid, kRounds, check_any, lower_sigmoid, "Sigmoid"},
      {"Slice", 1, 5, infer_slice, evaluate_slice, kExact, check_any, lower_slice,
       "Select (exact)"},
      {"Split", 1, 2, infer_split, evaluate_split, kExact, check_any, lower_split,
       "Select (exact)"},
      {"Squeeze", 1, 2, infer_squeeze, evaluate_squeeze, kExact, check_any, lower_reshape,
       "another order (exact)"},
      {"Sub", 2, 2, infer_broadcast, evaluate_sub, kRounds, check_any, lower_sub,
       "Sum, or a shift (affine, exact)"},
      {"Tanh", 1, 1, infer_same, evaluate_tanh, kRounds, check_any, lower_tanh, "Tanh"},
      {"Transpose", 1, 1, infer_transpose, evaluate_transpose, kExact, check_any, lower_transpose,
       "another order (exact)"},
      {"Unsqueeze", 1, 2, infer_unsqueeze, evaluate_unsqueeze, kExact, check_any, lower_reshape,
       "another order (exact)"},
  };
  return kRules;
}

const Rule* find_rule(const std::string& op) {
  const std::vector<Rule>& rules = all_rules();
  const auto found =
      std::find_if(rules.begin(), rules.end(), [&](const Rule& r) { return op == r.name; });
  return found == rules.end() ? nullptr : &*found;
}

}  // namespace coronet::importer
