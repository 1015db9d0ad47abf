#include "cuda/fetched.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <utility>

#include "base/error.h"
#include "base/resources.h"
#include "cuda/check.h"
#include "cuda/fetched_part.h"
#include "graph/sharded.h"

namespace coronet::cuda {

namespace {

std::size_t bytes_of_number(const Weight& weight) {
  return weight.single() ? sizeof(float) : sizeof(double);
}

const comm::Shards* shards_of(const Weight& weight) {
  const auto* shared = dynamic_cast<const ShardedWeight*>(weight.source.get());
  return shared == nullptr ? nullptr : shared->shards().get();
}

}  // namespace

/// The stripes of one rank on its device, one weight behind the other.
class FetchedWeights::Stripes final : public comm::Elsewhere {
 public:
  explicit Stripes(std::size_t bytes) : memory_(bytes) {
    const std::string boot = boot_number();
    cudaIpcMemHandle_t handle{};
    if (boot.empty() || bytes == 0 || cudaIpcGetMemHandle(&handle, memory_.data()) != cudaSuccess) {
      static_cast<void>(cudaGetLastError());  // where there is no IPC, all comes by the host
      return;
    }
    words_.resize(sizeof handle + boot.size());
    std::memcpy(words_.data(), &handle, sizeof handle);
    std::memcpy(words_.data() + sizeof handle, boot.data(), boot.size());
  }

  [[nodiscard]] comm::Bytes words() const override { return words_; }
  [[nodiscard]] std::byte* data() const { return memory_.data(); }
  [[nodiscard]] int ordinal() const { return memory_.ordinal(); }

  /// Memory of another process that said these words, of which it may be on any device; null where
  /// it cannot be read. For the current device.
  static void* open(const comm::Bytes& words) {
    cudaIpcMemHandle_t handle{};
    const std::string boot = boot_number();
    if (words.size() != sizeof handle + boot.size() ||
        std::memcmp(words.data() + sizeof handle, boot.data(), boot.size()) != 0) {
      return nullptr;
    }
    std::memcpy(&handle, words.data(), sizeof handle);
    void* at = nullptr;
    if (cudaIpcOpenMemHandle(&at, handle, cudaIpcMemLazyEnablePeerAccess) != cudaSuccess) {
      static_cast<void>(cudaGetLastError());
      return nullptr;
    }
    return at;
  }

 private:
  Apart memory_;
  comm::Bytes words_;
};

struct FetchedWeights::Peer {
  bool asked = false;                   ///< nothing will change any more
  const std::byte* data = nullptr;      ///< null: its stripes come by the host
  bool mapped = false;                  ///< kernels may read it, not copies only
  std::shared_ptr<const Stripes> held;  ///< of this process
  void* opened = nullptr;               ///< of another one
};

class FetchedWeights::Tiles final : public PartedTiles {
 public:
  Tiles(FetchedWeights& all, const One& one) : all_(all), one_(one) {}
  void for_each_tile(const TileFn<float>& fn) override { walk(fn); }
  void for_each_tile(const TileFn<double>& fn) override { walk(fn); }
  [[nodiscard]] std::unique_ptr<TileSource> part(const Part& part) override;

 private:
  template <class T>
  void walk(const TileFn<T>& fn) {
    all_.count_waits();
    all_.ring_->walk<T>(
        one_.rows, one_.cols, std::max(1, one_.cut.count(0)), one_.each,
        [&](int t, int slot) { return all_.begin(one_, t, slot); }, fn);
  }

  FetchedWeights& all_;
  const One& one_;
};

std::unique_ptr<TileSource> FetchedWeights::Tiles::part(const Part& part) {
  return std::make_unique<PartTiles>(all_, one_, part);
}

FetchedWeights::FetchedWeights(Device& device, std::vector<FetchedFrom> weights) : device_(device) {
  const comm::Shards* const shards = weights.empty() ? nullptr : shards_of(*weights.front().weight);
  if (shards != nullptr) {
    shards_ = static_cast<const ShardedWeight&>(*weights.front().weight->source).shards();
  }
  const int ranks = shards == nullptr ? 1 : shards->ranks();
  peers_.resize(ranks);
  std::vector<std::size_t> held(ranks, 0);
  std::size_t tile = 0;
  std::size_t converted = 0;
  for (const FetchedFrom& from : weights) {
    if (shards_of(*from.weight) != shards) {
      throw Error(ErrorKind::kInternal, "the weights of one network are shared by several groups");
    }
    const std::size_t each = bytes_of_number(*from.weight);
    weights_.push_back({from.weight, from.rows, from.cols, each,
                        Striped(from.rows, from.cols, each, ranks), held});
    const Striped& cut = weights_.back().cut;
    for (int r = 0; r < ranks; ++r) held[r] += cut.place(cut.tiles(), r);
    tile = std::max(tile, cut.most_bytes());
    converted =
        std::max(converted, cut.most_bytes() / each * (sizeof(float) + sizeof(double) - each));
  }
  for (const One& one : weights_) tiles_.push_back(std::make_unique<Tiles>(*this, one));
  ring_ = std::make_unique<TileRing>(device, tile, converted);
  if (shards_ != nullptr) {
    const std::size_t mine = held[shards_->rank()];
    device.arena().set_aside(mine, Tensor::kWeights, "this rank's part of the weights");
    held_ = mine;
    bring_stripes();
  }
}

FetchedWeights::~FetchedWeights() {
  ring_.reset();
  for (const Peer& peer : peers_) {
    if (peer.opened != nullptr) report_failure(cudaIpcCloseMemHandle(peer.opened));
  }
  device_.arena().take_back(held_, Tensor::kWeights);
}

PartedTiles* FetchedWeights::tiles(std::size_t i) const { return tiles_[i].get(); }

void FetchedWeights::bring_stripes() {
  mine_ = std::make_shared<const Stripes>(held_);
  const int rank = shards_->rank();
  for (const One& one : weights_) {
    for (int t = 0; t < one.cut.tiles(); ++t) {
      const std::size_t at = one.cut.begin(t);
      const auto [first, last] = one.cut.stripe(t, rank);
      through_host(one, at + first, at + last,
                   mine_->data() + one.offset[rank] + one.cut.place(t, rank));
    }
  }
  CORONET_CUDA_CHECK(cudaStreamSynchronize(ring_->copies()));
  shards_->publish(mine_);
}

void FetchedWeights::through_host(const One& one, std::size_t first, std::size_t last,
                                  std::byte* to) {
  struct Piece {
    std::size_t bytes;
    std::unique_ptr<Fetch> fetch;
  };
  std::deque<Piece> coming;
  for (std::size_t asked = first; asked < last || !coming.empty();) {
    while (asked < last && coming.size() < kHostPieces) {
      const std::size_t bytes = std::min(kHostPiece, last - asked);
      coming.push_back({bytes, one.weight->source->fetch(asked / one.each, bytes / one.each)});
      asked += bytes;
    }
    const Piece& piece = coming.front();
    const void* const from = piece.fetch->wait();
    ring_->stage(piece.bytes, to, [&](void* room) { std::memcpy(room, from, piece.bytes); });
    to += piece.bytes;
    coming.pop_front();
  }
}

const std::byte* FetchedWeights::peer(int rank) {
  Peer& peer = peers_[rank];
  if (peer.asked) return peer.data;
  const comm::Whereabouts told = shards_->whereabouts(rank);
  peer.held = std::dynamic_pointer_cast<const Stripes>(told.here);
  if (peer.held != nullptr) {
    peer.data = peer.held->data();
    peer.mapped = true;
    const int theirs = peer.held->ordinal();
    const int mine = device_.properties().ordinal;
    int reaches = 0;
    if (theirs != mine) CORONET_CUDA_CHECK(cudaDeviceCanAccessPeer(&reaches, mine, theirs));
    // Without, the driver takes copies through the host.
    if (theirs != mine && reaches == 0) peer.mapped = false;
    if (reaches != 0) {
      const cudaError_t enabled = cudaDeviceEnablePeerAccess(theirs, 0);
      if (enabled == cudaErrorPeerAccessAlreadyEnabled) {
        static_cast<void>(cudaGetLastError());
      } else {
        CORONET_CUDA_CHECK(enabled);
      }
    }
  } else if (!told.words.empty()) {
    peer.opened = Stripes::open(told.words);
    peer.data = static_cast<const std::byte*>(peer.opened);
    peer.mapped = peer.data != nullptr;
  }
  // Else it may still be busy bringing them: asked again at the next tile.
  peer.asked = peer.data != nullptr || !told.words.empty();
  return peer.data;
}

const std::byte* FetchedWeights::mapped(int rank) {
  if (rank == shards_->rank()) return mine_->data();
  const std::byte* const data = peer(rank);
  return peers_[rank].mapped ? data : nullptr;
}

bool FetchedWeights::begin(const One& one, int t, int slot) {
  std::byte* const to = ring_->begin(slot);
  const std::size_t at = one.cut.begin(t);
  if (shards_ == nullptr) {
    through_host(one, at, at + one.cut.bytes(t), to);
    return false;
  }
  bool direct = true;
  std::size_t others = 0;
  const int ranks = shards_->ranks();
  for (int i = 0; i < ranks; ++i) {
    // Each rank begins with its own: those that are at the same tile read from different ones.
    const int rank = (shards_->rank() + i) % ranks;
    const auto [first, last] = one.cut.stripe(t, rank);
    if (first == last) continue;
    const bool own = rank == shards_->rank();
    const std::byte* const data = own ? mine_->data() : peer(rank);
    if (data == nullptr) {
      through_host(one, at + first, at + last, to + first);
      direct = false;
      continue;
    }
    const std::byte* const from = data + one.offset[rank] + one.cut.place(t, rank);
    CORONET_CUDA_CHECK(
        cudaMemcpyAsync(to + first, from, last - first, cudaMemcpyDefault, ring_->copies()));
    if (!own) others += last - first;
  }
  shards_->count(others, 0);
  return direct;
}

void FetchedWeights::count_waits() {
  const double seconds = ring_->waited();
  if (shards_ != nullptr) shards_->count(0, seconds);
}

}  // namespace coronet::cuda
