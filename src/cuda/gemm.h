// C = A B or C += A B with a weight as B, all row-major, by cuBLAS.
//
// The bits of a row depend on the number of rows in the call (cuBLAS chooses its kernel by it), not
// on the run: one stream, one fixed workspace, no atomics, and the environment cannot change the
// arithmetic (Device refuses that).
#pragma once

#include <cstddef>

#include "cuda/device.h"
#include "cuda/matrix.h"

namespace coronet::cuda {

/// How products of float32 numbers are formed. Only kExact may be under a bound that counts.
enum class Precision {
  kExact,  ///< in float32
  kTf32,   ///< factors rounded to 11 bits, summed in float32
  kBf16,   ///< factors rounded to 8 bits, summed in float32
};

/// C[m, n] = or += A[m, k] B; lda and ldc in elements. C may not overlap A.
void gemm(Device& device, int m, const float* a, std::size_t lda, const Matrix& b, float* c,
          std::size_t ldc, bool accumulate, Precision precision = Precision::kExact);

/// The same in double. Tiles of the weight's rows (matrix.h) are multiplied in order.
void gemm(Device& device, int m, const double* a, std::size_t lda, const Matrix& b, double* c,
          std::size_t ldc, bool accumulate, Precision precision = Precision::kExact);

}  // namespace coronet::cuda
