// GEMM on the CPU behind one interface: C = A B or C += A B, with B (a weight) packed into panels.
//
// The default provider is Coronet's own kernel: every C[i][j] is one fused-multiply-add chain over
// k ascending, whatever the number of rows in the call, the blocking, the instruction set or the
// thread. So rows can be dealt to threads and ranks in any way and keep their bits. Calls are
// single-threaded: parallelism is over chunks of rows, above.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/aligned.h"
#include "ops/tiles.h"

namespace coronet::kernels {
template <class T>
struct GemmTable;
}

namespace coronet::device {

/// A row-major [rows, cols] weight, or some rows of it, seen as the B operand: B = W (K = rows, N =
/// cols), or B = W^T (K = cols, N = rows).
struct WeightView {
  /// Of a weight that is here, from element `offset` on.
  WeightView(const Weight& weight, std::size_t offset, int its_rows, int its_cols, bool turned)
      : f(weight.f.empty() ? nullptr : weight.f.data() + offset),
        d(weight.f.empty() ? weight.d.data() + offset : nullptr),
        rows(its_rows),
        cols(its_cols),
        transposed(turned) {}
  WeightView(const WeightRows& tile, int its_cols, bool turned)
      : f(tile.f), d(tile.d), rows(tile.count()), cols(its_cols), transposed(turned) {}

  const float* f;  ///< row 0, one of the two
  const double* d;
  int rows;
  int cols;
  bool transposed;

  [[nodiscard]] int k() const { return transposed ? cols : rows; }
  [[nodiscard]] int n() const { return transposed ? rows : cols; }
};

/// B in the kernel's panel order, in T; float64 weights are rounded to nearest for T = float.
template <class T>
class PackedMatrix {
 public:
  PackedMatrix() = default;
  explicit PackedMatrix(const WeightView& view);
  [[nodiscard]] int k() const { return k_; }
  [[nodiscard]] int n() const { return n_; }
  [[nodiscard]] bool empty() const { return panels_.empty(); }
  [[nodiscard]] const T* panels() const { return panels_.data(); }
  [[nodiscard]] std::size_t bytes() const { return panels_.size() * sizeof(T); }
  /// The kernels of the instruction set that the panels are laid out for.
  [[nodiscard]] const kernels::GemmTable<T>& kernel() const { return *kernel_; }
  /// Bytes that packing `view` would take.
  static std::size_t bytes_for(const WeightView& view);

 private:
  int k_ = 0;
  int n_ = 0;
  const kernels::GemmTable<T>* kernel_ = nullptr;
  AlignedVector<T> panels_;  // padded with zeros to whole or half panels
};

/// C[m, n] = A[m, k] B  (or += if accumulate); lda, ldc in elements; C may not overlap A.
template <class T>
void gemm(int m, const T* a, std::size_t lda, const PackedMatrix<T>& b, T* c, std::size_t ldc,
          bool accumulate);

/// The same, and the same bits, with B packed tile by tile into `scratch` on the way: for weights
/// too large to be held twice.
template <class T>
void gemm(int m, const T* a, std::size_t lda, const WeightView& b, T* c, std::size_t ldc,
          bool accumulate, std::vector<T>& scratch);
/// Bytes that `scratch` grows to there.
template <class T>
std::size_t scratch_bytes(const WeightView& b);

}  // namespace coronet::device
