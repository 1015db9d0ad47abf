// A constant tensor as the weight of an operator: which of its numbers stands where.
#pragma once

#include <cstdint>
#include <vector>

#include "io/onnx/tensor.h"
#include "ops/weight.h"

namespace coronet::importer {

/// A matrix inside a tensor: element (k, n) stands at k * k_stride + n * n_stride.
struct Matrix {
  const Tensor* tensor;
  std::int64_t k, n;
  std::int64_t k_stride, n_stride;
};

/// weight[n][column[k]] = w(k, n); null: column[k] = k. Not read before it is needed, where the
/// tensor's numbers last that long.
Weight weight_of(const Matrix& w, const std::vector<std::int32_t>* column);

}  // namespace coronet::importer
