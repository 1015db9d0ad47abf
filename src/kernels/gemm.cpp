// The register tiles of gemm_table.h. Compiled once per instruction set: everything here is static,
// so that the linker never merges code of different sets.
#include "kernels/gemm_table.h"

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace coronet::kernels::CORONET_ISA {
namespace {

#if defined(__AVX512F__)
constexpr int kVectorBytes = 64;
constexpr int kTile = 12;      // 12 x 2 accumulators of 32 registers
constexpr int kHalfTile = 12;  // rows of a tile one vector wide
constexpr int kNarrowRows = 6;
constexpr int narrow_vectors(int rows) { return rows <= 2 ? 8 : 4; }
#elif defined(__AVX2__)
constexpr int kVectorBytes = 32;
constexpr int kTile = 6;  // 6 x 2 accumulators of 16 registers
constexpr int kHalfTile = 12;
constexpr int kNarrowRows = 3;
constexpr int narrow_vectors(int rows) { return rows <= 1 ? 8 : 4; }
#else
constexpr int kVectorBytes = 16;
constexpr int kTile = 4;
constexpr int kHalfTile = 4;
constexpr int kNarrowRows = 1;
constexpr int narrow_vectors(int) { return 4; }
#endif

template <class T>
struct VectorOf {
  typedef T Type __attribute__((vector_size(kVectorBytes)));
  typedef T Unaligned __attribute__((vector_size(kVectorBytes), aligned(alignof(T)), may_alias));
};
template <class T>
using Vector = typename VectorOf<T>::Type;
template <class T>
constexpr int kLanes = kVectorBytes / int{sizeof(T)};

#define CORONET_INLINE [[gnu::always_inline]] inline

template <class T>
CORONET_INLINE Vector<T> load(const T* p) {
  return *reinterpret_cast<const typename VectorOf<T>::Unaligned*>(p);
}
template <class T>
CORONET_INLINE void store(T* p, Vector<T> v) {
  *reinterpret_cast<typename VectorOf<T>::Unaligned*>(p) = v;
}

#if defined(__AVX512F__)
CORONET_INLINE Vector<float> fma(Vector<float> a, Vector<float> b, Vector<float> c) {
  return (Vector<float>)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
}
CORONET_INLINE Vector<double> fma(Vector<double> a, Vector<double> b, Vector<double> c) {
  return (Vector<double>)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
}
CORONET_INLINE Vector<float> broadcast(float x) { return (Vector<float>)_mm512_set1_ps(x); }
CORONET_INLINE Vector<double> broadcast(double x) { return (Vector<double>)_mm512_set1_pd(x); }
#elif defined(__AVX2__)
CORONET_INLINE Vector<float> fma(Vector<float> a, Vector<float> b, Vector<float> c) {
  return (Vector<float>)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
}
CORONET_INLINE Vector<double> fma(Vector<double> a, Vector<double> b, Vector<double> c) {
  return (Vector<double>)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
}
CORONET_INLINE Vector<float> broadcast(float x) { return (Vector<float>)_mm256_set1_ps(x); }
CORONET_INLINE Vector<double> broadcast(double x) { return (Vector<double>)_mm256_set1_pd(x); }
#else
// No FMA instruction may be assumed: the C library's fma gives the same bits.
CORONET_INLINE Vector<float> fma(Vector<float> a, Vector<float> b, Vector<float> c) {
  for (int i = 0; i < kLanes<float>; ++i) c[i] = __builtin_fmaf(a[i], b[i], c[i]);
  return c;
}
CORONET_INLINE Vector<double> fma(Vector<double> a, Vector<double> b, Vector<double> c) {
  for (int i = 0; i < kLanes<double>; ++i) c[i] = __builtin_fma(a[i], b[i], c[i]);
  return c;
}
CORONET_INLINE Vector<float> broadcast(float x) { return Vector<float>{x, x, x, x}; }
CORONET_INLINE Vector<double> broadcast(double x) { return Vector<double>{x, x}; }
#endif

// The first `count` lanes (count may be <= 0 or beyond the vector); the others are zero or left
// alone.
#if defined(__AVX512F__)
CORONET_INLINE unsigned lane_mask(int count, int lanes) {
  return count <= 0 ? 0U : (count >= lanes ? (1U << lanes) - 1U : (1U << count) - 1U);
}
CORONET_INLINE Vector<float> load_part(const float* p, int count) {
  return (Vector<float>)_mm512_maskz_loadu_ps((__mmask16)lane_mask(count, 16), p);
}
CORONET_INLINE Vector<double> load_part(const double* p, int count) {
  return (Vector<double>)_mm512_maskz_loadu_pd((__mmask8)lane_mask(count, 8), p);
}
CORONET_INLINE void store_part(float* p, Vector<float> v, int count) {
  _mm512_mask_storeu_ps(p, (__mmask16)lane_mask(count, 16), (__m512)v);
}
CORONET_INLINE void store_part(double* p, Vector<double> v, int count) {
  _mm512_mask_storeu_pd(p, (__mmask8)lane_mask(count, 8), (__m512d)v);
}
#else
template <class T>
CORONET_INLINE Vector<T> load_part(const T* p, int count) {
  T part[kLanes<T>] = {};
  for (int i = 0; i < kLanes<T> && i < count; ++i) part[i] = p[i];
  return load<T>(part);
}
template <class T>
CORONET_INLINE void store_part(T* p, Vector<T> v, int count) {
  T part[kLanes<T>];
  store<T>(part, v);
  for (int i = 0; i < kLanes<T> && i < count; ++i) p[i] = part[i];
}
#endif

// MR rows by NV vectors. The vectors lie in panels of PV vectors (1 or 2), `panel_step` elements
// apart.
template <class T, int MR, int NV, int PV>
[[gnu::noinline]] void tile(const GemmBlock<T>& block, int row, std::size_t panel_step) {
  constexpr int kL = kLanes<T>;
  constexpr int kWidth = PV * kL;
  Vector<T> acc[MR][NV];
  const bool whole = block.columns >= NV * kL;
  T* const* const c = block.c + row;
  const std::size_t c_offset = block.c_offset;
  if (!block.load) {
#pragma GCC unroll 16
    for (int i = 0; i < MR; ++i) {
#pragma GCC unroll 8
      for (int j = 0; j < NV; ++j) acc[i][j] = Vector<T>{};
    }
  } else if (whole) {
#pragma GCC unroll 16
    for (int i = 0; i < MR; ++i) {
#pragma GCC unroll 8
      for (int j = 0; j < NV; ++j) acc[i][j] = load<T>(c[i] + c_offset + j * kL);
    }
  } else {
#pragma GCC unroll 16
    for (int i = 0; i < MR; ++i) {
#pragma GCC unroll 8
      for (int j = 0; j < NV; ++j) {
        acc[i][j] = load_part(c[i] + c_offset + j * kL, block.columns - j * kL);
      }
    }
  }
  const long length = block.length;
  const T* const* a = block.a + row;
  const T* b_segment = block.b;
  for (int s = 0; s < block.segments; ++s) {
    const T* p[MR];
#pragma GCC unroll 16
    for (int i = 0; i < MR; ++i) p[i] = a[i] + (block.a_offset + static_cast<std::size_t>(length));
    const T* b = b_segment;
    // Counting up to zero leaves one register for the index: 12 row pointers just fit.
#pragma GCC unroll 2
    for (long k = -length; k < 0; ++k) {
      Vector<T> bv[NV];
#pragma GCC unroll 8
      for (int j = 0; j < NV; ++j) {
        bv[j] = load<T>(b + static_cast<std::size_t>(j / PV) * panel_step + (j % PV) * kL);
      }
#pragma GCC unroll 16
      for (int i = 0; i < MR; ++i) {
        const Vector<T> x = broadcast(p[i][k]);
#pragma GCC unroll 8
        for (int j = 0; j < NV; ++j) acc[i][j] = fma(x, bv[j], acc[i][j]);
      }
      b += kWidth;
    }
    a += block.a_step;
    b_segment += block.b_step * kWidth;
  }
  if (whole) {
#pragma GCC unroll 16
    for (int i = 0; i < MR; ++i) {
#pragma GCC unroll 8
      for (int j = 0; j < NV; ++j) store<T>(c[i] + c_offset + j * kL, acc[i][j]);
    }
  } else {
#pragma GCC unroll 16
    for (int i = 0; i < MR; ++i) {
#pragma GCC unroll 8
      for (int j = 0; j < NV; ++j) {
        store_part(c[i] + c_offset + j * kL, acc[i][j], block.columns - j * kL);
      }
    }
  }
}

template <class T>
using TileFunction = void (*)(const GemmBlock<T>&, int, std::size_t);

#define CORONET_TILES_4(T, NV, PV) \
  nullptr, tile<T, 1, NV, PV>, tile<T, 2, NV, PV>, tile<T, 3, NV, PV>, tile<T, 4, NV, PV>
#define CORONET_TILES_6(T, NV, PV) \
  CORONET_TILES_4(T, NV, PV), tile<T, 5, NV, PV>, tile<T, 6, NV, PV>
#define CORONET_TILES_12(T, NV, PV)                                                       \
  CORONET_TILES_6(T, NV, PV), tile<T, 7, NV, PV>, tile<T, 8, NV, PV>, tile<T, 9, NV, PV>, \
      tile<T, 10, NV, PV>, tile<T, 11, NV, PV>, tile<T, 12, NV, PV>
#if defined(__AVX512F__)
#define CORONET_TILES_FULL CORONET_TILES_12
#define CORONET_TILES_HALF CORONET_TILES_12
#elif defined(__AVX2__)
#define CORONET_TILES_FULL CORONET_TILES_6
#define CORONET_TILES_HALF CORONET_TILES_12
#else
#define CORONET_TILES_FULL CORONET_TILES_4
#define CORONET_TILES_HALF CORONET_TILES_4
#endif

template <class T>
constexpr TileFunction<T> kFullTiles[kTile + 1] = {CORONET_TILES_FULL(T, 2, 2)};
template <class T>
constexpr TileFunction<T> kHalfTiles[kHalfTile + 1] = {CORONET_TILES_HALF(T, 1, 1)};

// Rows of the next tile: full ones, but no last tile of a few rows, whose few chains would wait for
// each other.
CORONET_INLINE int next_rows(int left, int full, int least) {
  if (left <= full) return left;
  if (left < full + least) return (left + 1) / 2;
  return full;
}

template <class T>
void rows(const GemmBlock<T>& block, int m) {
  const bool half = block.columns <= kLanes<T>;
  const int full = half ? kHalfTile : kTile;
  const int least = full >= 12 && half ? 8 : 4;  // at most the tile, so that halves fit
  const TileFunction<T>* const tiles = half ? kHalfTiles<T> : kFullTiles<T>;
  const char* next = static_cast<const char*>(block.next);
  const char* const next_end = next + block.next_bytes;
  const std::size_t share =
      block.next_bytes * static_cast<std::size_t>(full) / static_cast<std::size_t>(m) + 64;
  for (int row = 0; row < m;) {
    const int count = next_rows(m - row, full, least);
    for (const char* const stop = next_end - next < static_cast<long>(share) ? next_end
                                                                             : next + share;
         next < stop; next += 64) {
      __builtin_prefetch(next, 0, 2);
    }
    const int end = m < row + count + full ? m : row + count + full;
    // C's rows are far apart, so the hardware does not see them coming.
    for (int i = row + count; i < end; ++i) {
      const char* const line = reinterpret_cast<const char*>(block.c[i] + block.c_offset);
      __builtin_prefetch(line, 1);
      __builtin_prefetch(line + 64, 1);
    }
    tiles[count](block, row, 0);
    row += count;
  }
}

template <class T, int MR>
void narrow_panels(GemmBlock<T> block, std::size_t panel_step) {
  constexpr int kWide = narrow_vectors(MR) * kLanes<T>;
  constexpr int kPanel = 2 * kLanes<T>;
  while (block.columns >= kWide) {
    tile<T, MR, narrow_vectors(MR), 2>(block, 0, panel_step);
    block.columns -= kWide;
    block.c_offset += kWide;
    block.b += panel_step * (kWide / kPanel);
  }
  while (block.columns > 0) {
    (block.columns <= kLanes<T> ? kHalfTiles<T> : kFullTiles<T>)[MR](block, 0, 0);
    block.columns -= kPanel;
    block.c_offset += kPanel;
    block.b += panel_step;
  }
}

template <class T>
void narrow(const GemmBlock<T>& block, int m, std::size_t panel_step) {
  switch (m) {
    case 1:
      return narrow_panels<T, 1>(block, panel_step);
#if defined(__AVX2__)
    case 2:
      return narrow_panels<T, 2>(block, panel_step);
    case 3:
      return narrow_panels<T, 3>(block, panel_step);
#endif
#if defined(__AVX512F__)
    case 4:
      return narrow_panels<T, 4>(block, panel_step);
    case 5:
      return narrow_panels<T, 5>(block, panel_step);
    case 6:
      return narrow_panels<T, 6>(block, panel_step);
#endif
    default:
      return;
  }
}

}  // namespace

const GemmTable<float> gemm_float = {2 * kLanes<float>, kTile, kNarrowRows, rows<float>,
                                     narrow<float>};
const GemmTable<double> gemm_double = {2 * kLanes<double>, kTile, kNarrowRows, rows<double>,
                                       narrow<double>};

}  // namespace coronet::kernels::CORONET_ISA
