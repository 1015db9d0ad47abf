// C = A B or C += A B with a weight as B, all row-major, by cuBLAS.
//
// The bits of a row depend on the number of rows in the call (cuBLAS chooses its kernel by it), not
// on the run: one stream, one fixed workspace, no atomics, and the environment cannot change the
// arithmetic (Device refuses that).
#pragma once

#include <cstddef>

#include "cuda/device.h"

namespace coronet::cuda {

/// How products of float32 numbers are formed. Only kExact may be under a bound that counts.
enum class Precision {
  kExact,  ///< in float32
  kTf32,   ///< factors rounded to 11 bits, summed in float32
  kBf16,   ///< factors rounded to 8 bits, summed in float32
};

/// A row-major [rows, cols] weight as the operand B: itself (K = rows, N = cols), or transposed
/// (K = cols, N = rows).
struct Matrix {
  const float* f = nullptr;
  const double* d = nullptr;  ///< null where f holds it exactly
  int rows = 0;
  int cols = 0;
  bool transposed = false;

  [[nodiscard]] int k() const { return transposed ? cols : rows; }
  [[nodiscard]] int n() const { return transposed ? rows : cols; }
};
/// C[m, n] = or += A[m, k] B; lda and ldc in elements. C may not overlap A.
void gemm(Device& device, int m, const float* a, std::size_t lda, const Matrix& b, float* c,
          std::size_t ldc, bool accumulate, Precision precision = Precision::kExact);

/// The same in double. A weight held in float32 is converted in tiles of rows, whose number depends
/// on the weight's shape only, into one workspace of at most kGemmTile bytes (but for a single row
/// that is longer); the tiles' products are added in order.
inline constexpr std::size_t kGemmTile = std::size_t{32} << 20;
void gemm(Device& device, int m, const double* a, std::size_t lda, const Matrix& b, double* c,
          std::size_t ldc, bool accumulate, Precision precision = Precision::kExact);

}  // namespace coronet::cuda
