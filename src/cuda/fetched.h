// Dense weights that are not in this rank's memory: on the devices of all ranks, a part on each, or
// elsewhere; read by tiles, while the tile before is multiplied by.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "comm/communicator.h"
#include "comm/shards.h"
#include "cuda/device.h"
#include "cuda/lent.h"
#include "cuda/matrix.h"
#include "cuda/packed.h"
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

  /// All ranks of the group together, which share the weights, with the same parts ([weights]; of
  /// the whole one of those that have none): each packs what it has of them, so that their tiles
  /// are copied from device to device as they lie, by no kernel. That lasts until the next call,
  /// in which ranks wait until all are done with those tiles; the tiles of other parts are picked
  /// out of the stripes. Where a rank has no room for it, none packs.
  void pack(const std::vector<Part>& parts, comm::Communicator& group);
  /// Until the next pack() or keep(), tiles of shared weights stay on the device once they have
  /// come, as many of each as have room in so many bytes of the arena: few rows are multiplied by a
  /// tile sooner than it comes. What stayed before does not any more.
  void keep(std::size_t bytes);

  /// Counts what the device waited for (Shards::waited()), of products that are over.
  void count_waits();

 private:
  class Tiles;
  class PartTiles;  // fetched_part.h
  struct Peer {
    bool asked = false;  ///< nothing will change any more
    Borrowed stripes;    ///< without data, they come by the host
  };
  struct One {
    const Weight* weight;
    int rows;
    int cols;
    std::size_t each;  ///< bytes of a number
    Striped cut;
    std::vector<std::size_t> offset;  ///< [ranks] of its stripes among those of all weights
  };

  struct Packed {
    std::shared_ptr<const Lent> memory;
    std::size_t bytes = 0;
  };
  /// What all ranks have packed.
  struct Packing {
    std::vector<Part> parts;  // [weights]
    std::vector<std::optional<PackedPart>> layout;
    std::vector<const std::byte*> memory;  // [ranks]
  };
  /// The first tiles of a weight's part, which stay on the device once they have come.
  struct Kept {
    bool tried = false;
    Part part;
    std::size_t stride = 0;  ///< bytes from one tile to the next
    Buffer<std::byte> memory;
    std::vector<char> there;  ///< [tiles that stay] 1 once it has come
  };
  /// Of one tile: where it stays, and whether it has come there yet; null: it does not stay.
  struct Stay {
    std::byte* to = nullptr;
    char* there = nullptr;
  };
  /// What a rank tells all of its packed memory.
  struct Told {
    std::uint32_t version = 0;  ///< another one where the memory is
    std::uint32_t packed = 0;   ///< is there all that was to be packed?
  };

  /// Of what comes by the host, in one piece; so many are asked for at a time.
  static constexpr std::size_t kHostPiece = Staging::kBytes / 2;
  static constexpr std::size_t kHostPieces = 3;

  void bring_stripes();
  /// Room for so many bytes to pack into; false where there is none.
  bool make_room(std::size_t bytes);
  void give_back(Packed& packed);
  /// Tile t of the weight begins its way into the slot, or is somewhere already.
  TileRing::Coming begin(const One& one, int t, int slot);
  /// Its stripes, to `to`; true if none of them comes by the host.
  bool bring(const One& one, int t, std::byte* to);
  /// For tile t of so many of the weight's part, each of at most `bytes`.
  Stay stay(std::size_t number, const Part& part, int t, int tiles, std::size_t bytes);
  /// That tile begins its way by bring(to), to where it stays or into the slot, unless it is there
  /// already; bring() returns true if none of it comes by the host.
  template <class Bring>
  TileRing::Coming begin(const Stay& stay, int slot, const Bring& bring) {
    if (stay.to == nullptr) return {bring(ring_->begin(slot))};
    if (*stay.there != 0) return {false, stay.to};
    const bool direct = bring(stay.to);
    *stay.there = 1;
    return {direct, stay.to};
  }
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
  std::shared_ptr<const Lent> mine_;
  std::vector<Peer> peers_;  // [ranks]
  Packed packed_;
  Packed before_;                           // what packed_ replaced: others may have it open
  std::vector<Told> told_;                  // [ranks]
  std::vector<Borrowed> lent_;              // [ranks] what the others have packed
  std::vector<Part> agreed_;                // [weights] what all have packed; empty: nothing
  std::shared_ptr<const Packing> packing_;  // the same, if this rank reads it; else null
  std::vector<Kept> kept_;                  // [weights], or nothing stays
  std::size_t spare_ = 0;                   // bytes that may still be kept
  std::vector<std::unique_ptr<Tiles>> tiles_;
  std::unique_ptr<TileRing> ring_;  // last: it waits for copies that read the others
};

}  // namespace coronet::cuda
