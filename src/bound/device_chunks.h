// How the rows of a list are cut into chunks for a device.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>

#include "cuda/device.h"
#include "cuda/matrix.h"

namespace coronet::bound {

/// Bytes of a chunk of rows, where --device-chunk-mib does not say it.
inline constexpr double kDeviceChunkMib = 256;
/// Weights that come from elsewhere are to be on their way while rows are multiplied by the tile
/// before: the more rows, the longer that takes.
inline constexpr double kFetchedChunkMib = 4096;

inline constexpr int kLeastDeviceRows = 32;
/// So many keep a device busy, also while tiles come from others: it is better that another device
/// has the next ones.
inline constexpr int kManyDeviceRows = 4096;

/// Tiles of weights that come or are widened while rows are there.
inline constexpr std::size_t kPassingBytes = 2 * cuda::kTileBytes + 2 * cuda::Staging::kBytes;

/// Rows of one chunk of `total`, each of `bytes` bytes, where a chunk may have `budget` bytes and
/// `left` are free: no chunk is much smaller than the others, and their products fill the device's
/// multiprocessors evenly: 384 at a time took 7 % longer than 256 for 784-16384x4 on an H200.
inline int device_rows(std::size_t bytes, int total, std::size_t budget, std::size_t left) {
  constexpr int kTile = 256;
  const auto fit = static_cast<unsigned>(
      std::clamp<std::size_t>(std::min(budget, left) / bytes, kLeastDeviceRows, 8192));
  const int tile = fit >= kTile ? kTile : kLeastDeviceRows;
  const int most = fit >= kTile && fit < 4 * kTile ? static_cast<int>(std::bit_floor(fit))
                                                   : static_cast<int>(fit) / tile * tile;
  int chunks = std::max(1, (total + most - 1) / most);
  // Two, four or eight devices are to have equally many, and the chunks are to be the same for any.
  chunks = std::max(chunks, std::min(total / kManyDeviceRows, 8));
  if (chunks > 2) chunks = chunks <= 4 ? 4 : (chunks + 7) / 8 * 8;
  const int even = (total + chunks - 1) / chunks;
  return (even + tile - 1) / tile * tile;
}

/// The same of an arena, where `passing` bytes are to stay free.
inline int device_rows(const cuda::Arena& arena, std::size_t passing, std::size_t bytes, int total,
                       std::size_t budget) {
  const std::size_t used = arena.now().total + passing;
  return device_rows(bytes, total, budget, arena.limit() - std::min(arena.limit(), used));
}

}  // namespace coronet::bound
