// Dense weights that are not in this rank's memory: on the devices of all ranks, a part on each, or
// elsewhere; read by tiles, while the tile before is multiplied by.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "comm/shards.h"
#include "cuda/apart.h"
#include "cuda/device.h"
#include "cuda/matrix.h"
#include "cuda/ring.h"
#include "cuda/striped.h"
#include "ops/weight.h"

namespace coronet::cuda {

/// A weight [rows, cols] that has a source (ops/weight.h) and outlives what is made of it.
struct FetchedFrom {
  const Weight* weight = nullptr;
  int rows = 0;
  int cols = 0;
};

/// All such weights of a network. Where they are shared by ranks (graph/sharded.h), the device
/// holds of each tile a stripe, about bytes / ranks, and reads the others' from their devices:
/// those of its own process and, by CUDA's IPC, of its host. What a rank does not have on a device
/// (yet) or what cannot be read there comes through the host, as do weights that are not shared.
/// The numbers are the same however they come, and so are the tiles: the bits of a product do not
/// depend on the number of ranks.
class FetchedWeights {
 public:
  /// Brings the device's stripes, and tells the other ranks of them. For the thread that drives the
  /// device, as everything here.
  FetchedWeights(Device& device, std::vector<FetchedFrom> weights);
  ~FetchedWeights();
  FetchedWeights(const FetchedWeights&) = delete;
  FetchedWeights& operator=(const FetchedWeights&) = delete;

  /// The tiles of weight i; they refer to this.
  [[nodiscard]] PartedTiles* tiles(std::size_t i) const;

  /// Counts what the device waited for (Shards::waited()), of products that are over.
  void count_waits();

 private:
  class Tiles;
  class PartTiles;  // fetched_part.h
  class Stripes;
  struct Peer;
  struct One {
    const Weight* weight;
    int rows;
    int cols;
    std::size_t each;  ///< bytes of a number
    Striped cut;
    std::vector<std::size_t> offset;  ///< [ranks] of its stripes among those of all weights
  };

  /// Of what comes by the host, in one piece; so many are asked for at a time.
  static constexpr std::size_t kHostPiece = Staging::kBytes / 2;
  static constexpr std::size_t kHostPieces = 3;

  void bring_stripes();
  /// Tile t of the weight begins its way into the slot. False where some of it came by the host.
  bool begin(const One& one, int t, int slot);
  /// Bytes [first, last) of the weight, as they lie in memory, to `to` on the ring's stream.
  void through_host(const One& one, std::size_t first, std::size_t last, std::byte* to);
  /// The part of another rank, where it can be read; else null.
  const std::byte* peer(int rank);
  /// The part of any rank, where kernels of this device read it; else null.
  const std::byte* mapped(int rank);

  Device& device_;
  std::vector<One> weights_;
  std::shared_ptr<const comm::Shards> shards_;  // null: not shared
  std::size_t held_ = 0;                        // bytes of this rank's stripes
  std::shared_ptr<const Stripes> mine_;
  std::vector<Peer> peers_;  // [ranks]
  std::vector<std::unique_ptr<Tiles>> tiles_;
  std::unique_ptr<TileRing> ring_;  // last: it waits for copies that read the others
};

}  // namespace coronet::cuda
