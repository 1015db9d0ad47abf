// Products of rows with a sparse matrix whose entries lie in dense blocks, as those of a
// convolution whose neurons were thinned out: the rows of M that read the same columns are one
// small GEMM.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "device/gemm.h"

namespace coronet::device {

/// A sparse matrix in compressed rows; the columns of a row ascend.
struct SparseView {
  int rows = 0;
  int columns = 0;
  const std::int64_t* row = nullptr;
  const std::int32_t* column = nullptr;
  const double* value = nullptr;
};

/// M^T, in arrays of its own.
struct SparseMatrix {
  int rows = 0;
  int columns = 0;
  std::vector<std::int64_t> row;
  std::vector<std::int32_t> column;
  std::vector<double> value;

  [[nodiscard]] SparseView view() const {
    return {rows, columns, row.data(), column.data(), value.data()};
  }
};
SparseMatrix transposed(const SparseView& m);

/// M packed in blocks for C = A M^T; empty where that would be mostly zeros (of a pool, say).
template <class T>
class PackedBlocks {
 public:
  PackedBlocks() = default;
  explicit PackedBlocks(const SparseView& m);

  [[nodiscard]] bool empty() const { return blocks_.empty(); }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

  /// C[m, rows] = A[m, columns] M^T (or += if accumulate), dense rows. Every C[i][j] is one chain
  /// of fused multiply-adds over the columns ascending, zeros of the block included; columns
  /// outside [begin, end) count as zeros in A and are left out.
  void run(int m, const T* a, int begin, int end, T* c, bool accumulate) const;

 private:
  // Columns [from, from + length) of M, at row `k` of the block's weights.
  struct Segment {
    int from;
    int length;
    int k;
  };
  struct Block {
    int first = 0;  // row of M
    std::vector<Segment> segments;
    PackedMatrix<T> weights;  // [columns read][rows of M]
  };
  void add(const SparseView& m, int first, int last, const std::vector<Segment>& segments);

  int rows_ = 0;
  int columns_ = 0;
  std::size_t bytes_ = 0;
  std::vector<Block> blocks_;
};

}  // namespace coronet::device
