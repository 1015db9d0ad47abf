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

/// About as many bytes as the tiles of the whole one. Where the ranks have packed the part, tiles
/// are copied from there. Else rows of other ranks' devices are picked out by a kernel that reads
/// them there; where some rank's cannot be read so, rows come whole to the host.
class FetchedWeights::PartTiles final : public TileSource {
 public:
  /// Of weight `number` of all.
  PartTiles(FetchedWeights& all, std::size_t number, const Part& part);
  ~PartTiles() override;
  PartTiles(const PartTiles&) = delete;
  PartTiles& operator=(const PartTiles&) = delete;

  void for_each_tile(const TileFn<float>& fn, RowRange rows) override;
  void for_each_tile(const TileFn<double>& fn, RowRange rows) override;

  /// How the ranks would pack it, each behind what it holds.
  [[nodiscard]] PackedPart packed(std::vector<std::size_t>& held) const;
  /// Packs what this rank has, on the engine's stream; done when this returns.
  void pack(const PackedPart& layout, std::byte* memory);

 private:
  /// Where rows lie, and where their columns go, on the device (Scattered).
  struct Lists {
    Buffer<Stretch> stretches;
    Buffer<int> begin;
    Buffer<int> place;
  };

  [[nodiscard]] std::size_t row_bytes() const { return cols_.size() * one_.each; }
  template <class T>
  void walk(const TileFn<T>& fn, RowRange rows);
  /// Finds what the ranks have packed of it, if they have.
  void find_packed();
  /// Finds where the rows lie on the devices, once they are all there.
  void reach();
  /// Appends what a rank has of a row, whose stripes are there; returns its bytes.
  std::size_t add_stretch(int row, int rank, const std::byte* stripes,
                          std::vector<Stretch>& stretches) const;
  [[nodiscard]] Lists upload(const std::vector<Stretch>& stretches,
                             const std::vector<int>& begin) const;
  TileRing::Coming begin(int t, int slot);
  /// The tile, to `to`; true if none of it comes by the host.
  bool bring(int t, std::byte* to);
  void copy(int t, std::byte* to) const;
  void pick(const Lists& lists, int first, int count, std::byte* to, cudaStream_t stream) const;
  void through_host(int first, int last, std::byte* to);
  /// The part's columns of so many whole rows; returns where the next ones go.
  template <class T>
  std::byte* stage(const T* from, int rows, std::byte* to);

  FetchedWeights& all_;
  const One& one_;
  std::size_t number_;
  Part part_;
  std::vector<int> rows_;
  std::vector<int> cols_;
  int tile_ = 1;                            ///< rows of a tile
  std::shared_ptr<const Packing> packing_;  ///< what layout_ is of
  const PackedPart* layout_ = nullptr;      ///< null: the part is not packed
  Lists from_;                       ///< empty, as long as some rank's stripes cannot be read
  std::vector<std::size_t> others_;  ///< [rows + 1] bytes of other ranks in the rows before
};

}  // namespace coronet::cuda
