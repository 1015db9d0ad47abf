// How the elements of a row are dealt to a block of threads.
#pragma once

#include <algorithm>

#include "cuda/geometry.h"

namespace coronet::cuda {

/// It depends on the row's size and on V, how many elements a thread takes at once, alone, so that
/// the sums of a row do not depend on the other rows.
struct Dealing {
  int threads;
  int chunk;
  int chunks;  ///< a sum over a row has so many parts
};
inline Dealing deal(int size, int v) {
  const int packs = (size + v - 1) / v;
  const int threads = std::clamp((packs + 31) / 32 * 32, 32, 256);
  const int chunk = 256 * v * 8;
  return {threads, chunk, std::max(1, (size + chunk - 1) / chunk)};
}

/// Numbers of T that are taken at once where rows allow it.
template <class T>
inline constexpr int kWide = 16 / static_cast<int>(sizeof(T));
template <class T>
bool wide_rows(const Geometry& g, const Geometry& other) {
  return g.whole && same(g, other) && g.size() % kWide<T> == 0;
}

}  // namespace coronet::cuda
