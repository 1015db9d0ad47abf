#include "device/gemm.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "device/pack.h"
#include "kernels/isa.h"

namespace coronet::device {
namespace {

// Rows of A whose block of K stays in the second-level cache; a multiple of every tile.
constexpr int kBlockM = 264;
// Columns of B that the unpacked variant packs at a time.
constexpr int kBlockN = 512;

// A block of B of at most this stays in the first-level cache beside A and C: then the rows go
// outside, the panels inside, and C is written row by row.
constexpr std::size_t kSmallB = 32 * 1024;

// Along W's rows, which may each be in a page of its own: all panels of a row before the next one.
template <class T, class S>
void pack_rows(const S* w, std::size_t ld, int k, int n, int panel, T* out) {
  constexpr int kAhead = 4;
  constexpr int kLine = static_cast<int>(kCacheLine / sizeof(S));
  const std::size_t panel_step = static_cast<std::size_t>(k) * static_cast<std::size_t>(panel);
  const int whole = n / panel * panel;
  const int left = n - whole;
  const int width = left <= panel / 2 ? panel / 2 : panel;
  for (int row = 0; row < k; ++row, w += ld) {
    if (row + kAhead < k) {
      for (int j = 0; j < n; j += kLine) {
        __builtin_prefetch(w + static_cast<std::size_t>(kAhead) * ld + j, 0, 2);
      }
    }
    T* to = out + static_cast<std::size_t>(row) * static_cast<std::size_t>(panel);
    for (int column = 0; column < whole; column += panel, to += panel_step) {
      for (int j = 0; j < panel; ++j) to[j] = static_cast<T>(w[column + j]);
    }
    if (left > 0) {
      to = out + static_cast<std::size_t>(whole / panel) * panel_step +
           static_cast<std::size_t>(row) * static_cast<std::size_t>(width);
      for (int j = 0; j < left; ++j) to[j] = static_cast<T>(w[whole + j]);
      for (int j = left; j < width; ++j) to[j] = T{};
    }
  }
}

typedef float Float4 __attribute__((vector_size(16)));
typedef float Float4u __attribute__((vector_size(16), aligned(4), may_alias));

// 16 rows of B from four rows of W: to[i * width + j] = source[j * ld + i].
void transpose_16x4(const float* source, std::size_t ld, float* to, int width) {
  for (int i = 0; i < 16; i += 4, source += 4, to += 4 * width) {
    const Float4 r0 = *reinterpret_cast<const Float4u*>(source);
    const Float4 r1 = *reinterpret_cast<const Float4u*>(source + ld);
    const Float4 r2 = *reinterpret_cast<const Float4u*>(source + 2 * ld);
    const Float4 r3 = *reinterpret_cast<const Float4u*>(source + 3 * ld);
    const Float4 low01 = __builtin_shufflevector(r0, r1, 0, 4, 1, 5);
    const Float4 high01 = __builtin_shufflevector(r0, r1, 2, 6, 3, 7);
    const Float4 low23 = __builtin_shufflevector(r2, r3, 0, 4, 1, 5);
    const Float4 high23 = __builtin_shufflevector(r2, r3, 2, 6, 3, 7);
    *reinterpret_cast<Float4u*>(to) = __builtin_shufflevector(low01, low23, 0, 1, 4, 5);
    *reinterpret_cast<Float4u*>(to + width) = __builtin_shufflevector(low01, low23, 2, 3, 6, 7);
    *reinterpret_cast<Float4u*>(to + 2 * width) =
        __builtin_shufflevector(high01, high23, 0, 1, 4, 5);
    *reinterpret_cast<Float4u*>(to + 3 * width) =
        __builtin_shufflevector(high01, high23, 2, 3, 6, 7);
  }
}

// B = W^T: a panel's columns are rows of W. Read along W's rows in squares, so that both sides stay
// in the cache.
template <class T, class S>
void pack_columns(const S* w, std::size_t ld, int k, int n, int panel, T* out) {
  constexpr int kSquare = 16;
  constexpr int kAhead = 128;
  for (int column = 0; column < n; column += panel) {
    const int left = std::min(n - column, panel);
    const int width = left <= panel / 2 ? panel / 2 : panel;
    const S* const from = w + static_cast<std::size_t>(column) * ld;
    for (int row = 0; row < k; row += kSquare) {
      const int rows = std::min(kSquare, k - row);
      T* const to = out + static_cast<std::size_t>(row) * static_cast<std::size_t>(width);
      int j = 0;
      if constexpr (std::is_same_v<T, float> && std::is_same_v<S, float>) {
        for (; rows == kSquare && j + 4 <= left; j += 4) {
          const S* const source = from + static_cast<std::size_t>(j) * ld + row;
          if (row + kAhead < k) {
            for (std::size_t i = 0; i < 4; ++i) __builtin_prefetch(source + i * ld + kAhead, 0, 2);
          }
          transpose_16x4(source, ld, to + j, width);
        }
      }
      for (; j < left; ++j) {
        const S* const source = from + static_cast<std::size_t>(j) * ld + row;
        if (row + kAhead < k) __builtin_prefetch(source + kAhead, 0, 2);
        for (int i = 0; i < rows; ++i) to[i * width + j] = static_cast<T>(source[i]);
      }
      for (int i = 0; i < rows; ++i) {
        for (int z = left; z < width; ++z) to[i * width + z] = T{};
      }
    }
    out += static_cast<std::size_t>(k) * static_cast<std::size_t>(width);
  }
}

template <class T, class S>
void pack_from(const S* w, const WeightView& view, int k0, int k, int n0, int n, int panel,
               T* out) {
  const auto ld = static_cast<std::size_t>(view.cols);
  if (view.transposed) {
    pack_columns(w + static_cast<std::size_t>(n0) * ld + static_cast<std::size_t>(k0), ld, k, n,
                 panel, out);
  } else {
    pack_rows(w + static_cast<std::size_t>(k0) * ld + static_cast<std::size_t>(n0), ld, k, n, panel,
              out);
  }
}

// Blocks of about equal length.
int block_length(int k, int most) {
  const int blocks = (k + most - 1) / most;
  return blocks == 0 ? 1 : (k + blocks - 1) / blocks;
}

template <class T>
T* aligned(T* p) {
  const auto address = reinterpret_cast<std::uintptr_t>(p);
  return p + (kCacheLine - address % kCacheLine) % kCacheLine / sizeof(T);
}

void clear(int m, int n, auto* c, std::size_t ldc) {
  for (int i = 0; i < m; ++i) {
    std::fill_n(c + static_cast<std::size_t>(i) * ldc, static_cast<std::size_t>(n), 0);
  }
}

// A block of rows of A, as row pointers; copied where the rows would fall on each other in the
// caches.
template <class T>
class RowsOfA {
 public:
  RowsOfA(int m, const T* a, std::size_t lda, int k, int n) : a_(a), lda_(lda) {
    const std::size_t stride = lda * sizeof(T) % 4096;
    const bool aliased = stride < 128 || stride > 4096 - 128 || stride % 1024 == 0;
    copy_ = aliased && lda * sizeof(T) >= 1024 && m > 8 && n >= 64 && k >= 64;
  }
  // pointers[i] to A[m0 + i][k0]
  void point(int m0, int rows, int k0, int k, const T** pointers) {
    const T* from = a_ + static_cast<std::size_t>(m0) * lda_ + static_cast<std::size_t>(k0);
    if (!copy_) {
      for (int i = 0; i < rows; ++i) pointers[i] = from + static_cast<std::size_t>(i) * lda_;
      return;
    }
    thread_local AlignedVector<T> block;
    constexpr std::size_t kLine = 64 / sizeof(T);
    // An odd number of lines: neighbouring rows lie in different sets.
    const std::size_t step = ((static_cast<std::size_t>(k) + kLine - 1) / kLine | 1) * kLine;
    block.resize(std::max(block.size(), static_cast<std::size_t>(rows) * step));
    for (int i = 0; i < rows; ++i, from += lda_) {
      T* const to = block.data() + static_cast<std::size_t>(i) * step;
      std::memcpy(to, from, static_cast<std::size_t>(k) * sizeof(T));
      pointers[i] = to;
    }
  }

 private:
  const T* a_;
  std::size_t lda_;
  bool copy_;
};

template <class T>
void point_c(T* c, std::size_t ldc, int rows, T** pointers) {
  for (int i = 0; i < rows; ++i) pointers[i] = c + static_cast<std::size_t>(i) * ldc;
}

}  // namespace

template <>
const kernels::GemmTable<float>& gemm_table<float>() {
  switch (kernels::current_isa()) {
    case kernels::Isa::avx512:
      return kernels::avx512::gemm_float;
    case kernels::Isa::avx2:
      return kernels::avx2::gemm_float;
    case kernels::Isa::baseline:
      break;
  }
  return kernels::baseline::gemm_float;
}

template <>
const kernels::GemmTable<double>& gemm_table<double>() {
  switch (kernels::current_isa()) {
    case kernels::Isa::avx512:
      return kernels::avx512::gemm_double;
    case kernels::Isa::avx2:
      return kernels::avx2::gemm_double;
    case kernels::Isa::baseline:
      break;
  }
  return kernels::baseline::gemm_double;
}

template <class T>
void pack_panels(const WeightView& view, int k0, int k, int n0, int n, int panel, T* out) {
  if (view.f == nullptr) {
    pack_from(view.d, view, k0, k, n0, n, panel, out);
  } else {
    pack_from(view.f, view, k0, k, n0, n, panel, out);
  }
}

template <class T>
PackedMatrix<T>::PackedMatrix(const WeightView& view)
    : k_(view.k()), n_(view.n()), kernel_(&gemm_table<T>()) {
  panels_.assign(static_cast<std::size_t>(k_) * padded_columns(n_, kernel_->panel), T(0));
  if (!panels_.empty()) pack_panels(view, 0, k_, 0, n_, kernel_->panel, panels_.data());
}

template <class T>
std::size_t PackedMatrix<T>::bytes_for(const WeightView& view) {
  return static_cast<std::size_t>(view.k()) * padded_columns(view.n(), gemm_table<T>().panel) *
         sizeof(T);
}

template <class T>
void gemm(int m, const T* a, std::size_t lda, const PackedMatrix<T>& b, T* c, std::size_t ldc,
          bool accumulate) {
  if (m <= 0 || b.n() <= 0) return;
  if (b.k() == 0) {
    if (!accumulate) clear(m, b.n(), c, ldc);
    return;
  }
  const kernels::GemmTable<T>& kernel = b.kernel();
  const int block_k = block_length(b.k(), kBlockK);
  RowsOfA<T> rows_of_a(m, a, lda, block_k, b.n());
  const T* pa[kBlockM];
  T* pc[kBlockM];
  kernels::GemmBlock<T> block;
  block.a = pa;
  block.c = pc;
  block.b = b.panels();
  block.columns = b.n();
  const int block_m = b.bytes() <= kSmallB ? kernel.tile : kBlockM;
  for (int m0 = 0, rows = 0; m0 < m; m0 += rows) {
    // A last block of a few rows would run at a fraction of the speed.
    rows = m - m0 < block_m + kernel.tile ? m - m0 : block_m;
    rows = std::min(rows, kBlockM);
    point_c(c + static_cast<std::size_t>(m0) * ldc, ldc, rows, pc);
    for (int k0 = 0; k0 < b.k(); k0 += block_k) {
      block.length = std::min(block_k, b.k() - k0);
      block.load = accumulate || k0 > 0;
      rows_of_a.point(m0, rows, k0, block.length, pa);
      run_panels(kernel, block, rows, static_cast<std::size_t>(b.k()), static_cast<std::size_t>(k0),
                 b.bytes() > kSecondLevel);
    }
  }
}

namespace {

// Elements of a tile's packed panels.
template <class T>
std::size_t panel_elements(const WeightView& b) {
  return static_cast<std::size_t>(block_length(b.k(), kBlockK)) *
             padded_columns(std::min(b.n(), kBlockN), gemm_table<T>().panel) +
         kCacheLine / sizeof(T);
}

}  // namespace

template <class T>
std::size_t scratch_bytes(const WeightView& b) {
  return b.k() > 0 && b.n() > 0 ? panel_elements<T>(b) * sizeof(T) : 0;
}

template <class T>
void gemm(int m, const T* a, std::size_t lda, const WeightView& b, T* c, std::size_t ldc,
          bool accumulate, std::vector<T>& scratch) {
  if (m <= 0 || b.n() <= 0) return;
  if (b.k() == 0) {
    if (!accumulate) clear(m, b.n(), c, ldc);
    return;
  }
  const kernels::GemmTable<T>& kernel = gemm_table<T>();
  const int block_k = block_length(b.k(), kBlockK);
  if (scratch.size() < panel_elements<T>(b)) scratch.resize(panel_elements<T>(b));
  T* const panels = aligned(scratch.data());
  RowsOfA<T> rows_of_a(m, a, lda, block_k, std::min(b.n(), kBlockN));
  const T* pa[kBlockM];
  T* pc[kBlockM];
  kernels::GemmBlock<T> block;
  block.a = pa;
  block.c = pc;
  block.b = panels;
  for (int n0 = 0; n0 < b.n(); n0 += kBlockN) {
    block.columns = std::min(kBlockN, b.n() - n0);
    for (int k0 = 0; k0 < b.k(); k0 += block_k) {
      block.length = std::min(block_k, b.k() - k0);
      block.load = accumulate || k0 > 0;
      pack_panels(b, k0, block.length, n0, block.columns, kernel.panel, panels);
      for (int m0 = 0; m0 < m; m0 += kBlockM) {
        const int rows = std::min(kBlockM, m - m0);
        point_c(c + static_cast<std::size_t>(m0) * ldc + n0, ldc, rows, pc);
        rows_of_a.point(m0, rows, k0, block.length, pa);
        run_panels(kernel, block, rows, static_cast<std::size_t>(block.length), 0, false);
      }
    }
  }
}

#define CORONET_GEMM(T)                                                                       \
  template void pack_panels<T>(const WeightView&, int, int, int, int, int, T*);               \
  template class PackedMatrix<T>;                                                             \
  template std::size_t scratch_bytes<T>(const WeightView&);                                   \
  template void gemm<T>(int, const T*, std::size_t, const PackedMatrix<T>&, T*, std::size_t,  \
                        bool);                                                                \
  template void gemm<T>(int, const T*, std::size_t, const WeightView&, T*, std::size_t, bool, \
                        std::vector<T>&);
CORONET_GEMM(float)
CORONET_GEMM(double)
#undef CORONET_GEMM

}  // namespace coronet::device
