// The tiles of some rows and columns of a weight that is not in this rank's memory.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "cuda/device.h"
#include "cuda/fetched.h"
#include "cuda/gather.h"
#include "cuda/matrix.h"

namespace coronet::cuda {

/// About as many bytes as the tiles of the whole one. Rows of other ranks' devices are picked out
/// by a kernel that reads them there; where some rank's cannot be read so, rows come whole to the
/// host.
class FetchedWeights::PartTiles final : public TileSource {
 public:
  PartTiles(FetchedWeights& all, const One& one, const Part& part);
  ~PartTiles() override;
  PartTiles(const PartTiles&) = delete;
  PartTiles& operator=(const PartTiles&) = delete;

  void for_each_tile(const TileFn<float>& fn) override;
  void for_each_tile(const TileFn<double>& fn) override;

 private:
  template <class T>
  void walk(const TileFn<T>& fn);
  /// Finds where the rows lie on the devices, once they are all there.
  void reach();
  bool begin(int t, int slot);
  void through_host(int first, int last, std::byte* to);
  /// The part's columns of so many whole rows; returns where the next ones go.
  template <class T>
  std::byte* stage(const T* from, int rows, std::byte* to);

  FetchedWeights& all_;
  const One& one_;
  std::vector<int> rows_;
  std::vector<int> cols_;
  int tile_ = 1;  ///< rows of a tile
  // Nothing in them, as long as some rank's part cannot be read from here.
  Scattered from_;
  Buffer<Stretch> stretches_;
  Buffer<int> begin_;
  Buffer<int> place_;
  std::vector<std::size_t> others_;  ///< [rows + 1] bytes of other ranks in the rows before
};

}  // namespace coronet::cuda
