// B laid out for the kernels: panels [k][width], and the loop over the panels of one K block.
#pragma once

#include <algorithm>
#include <cstddef>

#include "device/gemm.h"
#include "kernels/gemm_table.h"

namespace coronet::device {

/// The kernels of the instruction set in use.
template <class T>
const kernels::GemmTable<T>& gemm_table();

/// Above this many bytes B may come from memory.
inline constexpr std::size_t kSecondLevel = 512 * 1024;

/// K is cut in blocks of at most this many, so that one block of a panel stays in the first-level
/// cache.
inline constexpr int kBlockK = 320;

/// Columns of B that panels of `panel` columns hold, padding included: the last panel may be a half
/// one.
inline std::size_t padded_columns(int n, int panel) {
  const auto half = static_cast<std::size_t>(panel / 2);
  return (static_cast<std::size_t>(n) + half - 1) / half * half;
}

/// Writes rows [k0, k0 + k) and columns [n0, n0 + n) of B as panels; n0 is a multiple of `panel`.
template <class T>
void pack_panels(const WeightView& view, int k0, int k, int n0, int n, int panel, T* out);

/// Runs all panels of one block: block.b is panel 0 at the block's first row of B, panels are
/// `panel_k` rows long, block.columns is the number of columns in all. With `prefetch` a panel is
/// fetched while the one before it is used: for B that does not lie in the second-level cache.
template <class T>
inline void run_panels(const kernels::GemmTable<T>& kernel, kernels::GemmBlock<T> block, int m,
                       std::size_t panel_k, std::size_t k0, bool prefetch) {
  // `first` of a panel is its row 0; the last panel may be half as wide, so that its rows are half
  // as long.
  const T* first = block.b;
  const auto panel = static_cast<std::size_t>(kernel.panel);
  int columns = block.columns;
  if (m <= kernel.narrow_rows && columns > kernel.panel) {
    const int whole = columns - columns % kernel.panel;
    block.b = first + k0 * panel;
    block.columns = whole;
    kernel.narrow(block, m, panel * panel_k);
    first += panel * panel_k * static_cast<std::size_t>(whole / kernel.panel);
    block.c_offset += static_cast<std::size_t>(whole);
    columns -= whole;
  }
  for (; columns > 0; columns -= kernel.panel) {
    const bool half = columns <= kernel.panel / 2;
    block.b = first + k0 * (half ? panel / 2 : panel);
    block.columns = std::min(columns, kernel.panel);
    block.next = nullptr;
    block.next_bytes = 0;
    if (prefetch && columns >= 2 * kernel.panel) {
      block.next = first + panel * (panel_k + k0);
      block.next_bytes =
          panel * static_cast<std::size_t>(block.length * block.segments) * sizeof(T);
    }
    kernel.rows(block, m);
    first += panel * panel_k;
    block.c_offset += panel;
  }
}

}  // namespace coronet::device
