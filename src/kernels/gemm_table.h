// The GEMM kernels of one instruction set, as function pointers.
//
// Plain and indirect GEMM are one kernel: the rows of A and C are given by pointers, and K is cut
// in segments with their own row pointers (a plain GEMM has one segment; a convolution one per run
// of taps). B comes in panels [k][panel] of `panel` columns, zero-padded; a last panel with at most
// panel / 2 columns is [k][panel / 2].
#pragma once

#include <cstddef>

namespace coronet::kernels {

/// C[i][0 .. columns) (+)= sum over segments s, then k < length, of a[s * a_step + i][a_offset + k]
/// * B[s][k], in that order.
template <class T>
struct GemmBlock {
  int segments = 1;
  int length = 0;
  const T* const* a = nullptr;
  std::size_t a_step = 0;
  std::size_t a_offset = 0;
  const T* b = nullptr;    ///< segment s starts at b + s * b_step * (width of the panel)
  std::size_t b_step = 0;  ///< rows of B from one segment to the next
  T* const* c = nullptr;
  std::size_t c_offset = 0;    ///< added to every C pointer
  int columns = 0;             ///< of C; at most `panel` for `rows`
  bool load = false;           ///< the chains start from C; otherwise from 0
  const void* next = nullptr;  ///< what the next call will read of B; `rows` prefetches it
  std::size_t next_bytes = 0;
};

template <class T>
struct GemmTable {
  int panel;        ///< columns of a panel: two vectors
  int tile;         ///< rows of the main register tile
  int narrow_rows;  ///< up to this many rows `narrow` is faster
  /// One panel, `m` rows.
  void (*rows)(const GemmBlock<T>& block, int m);
  /// `columns` columns in panels `panel_step` elements apart, m <= narrow_rows rows.
  void (*narrow)(const GemmBlock<T>& block, int m, std::size_t panel_step);
};

namespace baseline {
extern const GemmTable<float> gemm_float;
extern const GemmTable<double> gemm_double;
}  // namespace baseline
namespace avx2 {
extern const GemmTable<float> gemm_float;
extern const GemmTable<double> gemm_double;
}  // namespace avx2
namespace avx512 {
extern const GemmTable<float> gemm_float;
extern const GemmTable<double> gemm_double;
}  // namespace avx512

}  // namespace coronet::kernels
