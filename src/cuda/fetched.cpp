#include "cuda/fetched.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <span>
#include <utility>

#include "base/error.h"
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

class FetchedWeights::Tiles final : public PartedTiles {
 public:
  Tiles(FetchedWeights& all, const One& one) : all_(all), one_(one) {}
  void for_each_tile(const TileFn<float>& fn, RowRange rows) override { walk(fn, rows); }
  void for_each_tile(const TileFn<double>& fn, RowRange rows) override { walk(fn, rows); }
  [[nodiscard]] std::unique_ptr<TileSource> part(const Part& part) override;

 private:
  template <class T>
  void walk(const TileFn<T>& fn, RowRange rows) {
    all_.count_waits();
    all_.ring_->walk<T>(
        rows, one_.rows, one_.cols, std::max(1, one_.cut.count(0)), one_.each,
        [&](int t, int slot) { return all_.begin(one_, t, slot); }, fn);
  }

  FetchedWeights& all_;
  const One& one_;
};

std::unique_ptr<TileSource> FetchedWeights::Tiles::part(const Part& part) {
  return std::make_unique<PartTiles>(all_, &one_ - all_.weights_.data(), part);
}

FetchedWeights::FetchedWeights(Device& device, std::vector<FetchedFrom> weights) : device_(device) {
  const comm::Shards* const shards = weights.empty() ? nullptr : shards_of(*weights.front().weight);
  if (shards != nullptr) {
    shards_ = static_cast<const ShardedWeight&>(*weights.front().weight->source).shards();
  }
  const int ranks = shards == nullptr ? 1 : shards->ranks();
  peers_.resize(ranks);
  told_.resize(ranks);
  lent_.resize(ranks);
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
    converted = std::max(converted, cut.converted_bytes(each));
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
  kept_.clear();
  give_back(before_);
  give_back(packed_);
  device_.arena().take_back(held_, Tensor::kWeights);
}

PartedTiles* FetchedWeights::tiles(std::size_t i) const { return tiles_[i].get(); }

void FetchedWeights::bring_stripes() {
  mine_ = std::make_shared<const Lent>(held_);
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
  shards_->publish(comm::Shards::Copy::kParts, mine_);
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
  if (peer.asked) return peer.stripes.data();
  const comm::Whereabouts told = shards_->whereabouts(comm::Shards::Copy::kParts, rank);
  peer.stripes = Borrowed(device_, told);
  // Else it may still be busy bringing them: asked again at the next tile.
  peer.asked = peer.stripes.data() != nullptr || !told.words.empty();
  return peer.stripes.data();
}

const std::byte* FetchedWeights::mapped(int rank) {
  if (rank == shards_->rank()) return mine_->data();
  const std::byte* const data = peer(rank);
  return peers_[rank].stripes.mapped() ? data : nullptr;
}

TileRing::Coming FetchedWeights::begin(const One& one, int t, int slot) {
  if (shards_ == nullptr) {
    const std::size_t at = one.cut.begin(t);
    through_host(one, at, at + one.cut.bytes(t), ring_->begin(slot));
    return {};
  }
  // A single rank's stripes are whole tiles.
  if (shards_->ranks() == 1) return {false, mine_->data() + one.offset[0] + one.cut.place(t, 0)};
  const auto number = static_cast<std::size_t>(&one - weights_.data());
  return begin(stay(number, {}, t, one.cut.tiles(), one.cut.most_bytes()), slot,
               [&](std::byte* to) { return bring(one, t, to); });
}

bool FetchedWeights::bring(const One& one, int t, std::byte* to) {
  const std::size_t at = one.cut.begin(t);
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

FetchedWeights::Stay FetchedWeights::stay(std::size_t number, const Part& part, int t, int tiles,
                                          std::size_t bytes) {
  if (kept_.empty()) return {};
  Kept& kept = kept_[number];
  if (!kept.tried) {
    kept.tried = true;
    kept.part = part;
    kept.stride = TileRing::rounded(std::max<std::size_t>(1, bytes));
    const std::size_t count = std::min<std::size_t>(tiles, spare_ / kept.stride);
    try {
      kept.memory =
          device_.take<std::byte>(count * kept.stride, Tensor::kWeights, "weights that stay");
      kept.there.resize(count);
      spare_ -= count * kept.stride;
      device_.wait();  // another stream writes there
    } catch (const Error& error) {
      // What is free lies in several pieces: the tiles come each time.
      if (error.kind() != ErrorKind::kOutOfMemory) throw;
    }
  }
  if (static_cast<std::size_t>(t) >= kept.there.size() || !same_part(kept.part, part)) return {};
  return {kept.memory.data() + static_cast<std::size_t>(t) * kept.stride, &kept.there[t]};
}

bool FetchedWeights::make_room(std::size_t bytes) {
  if (bytes <= packed_.bytes) return true;
  bool counted = false;
  try {
    device_.arena().set_aside(bytes, Tensor::kWeights, "what is packed of the weights");
    counted = true;
    auto larger = std::make_shared<const Lent>(bytes);
    before_ = std::exchange(packed_, {std::move(larger), bytes});
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kOutOfMemory) throw;
    if (counted) device_.arena().take_back(bytes, Tensor::kWeights);
    return false;
  }
  shards_->publish(comm::Shards::Copy::kPacked, packed_.memory);
  return true;
}

void FetchedWeights::give_back(Packed& packed) {
  device_.arena().take_back(packed.bytes, Tensor::kWeights);
  packed = {};
}

void FetchedWeights::pack(const std::vector<Part>& parts, comm::Communicator& group) {
  if (shards_ == nullptr || group.size() != shards_->ranks()) return;
  kept_.clear();
  // Alike on all ranks, whether each of them reads what the others have packed or not.
  if (std::equal(parts.begin(), parts.end(), agreed_.begin(), agreed_.end(), same_part)) return;
  packing_.reset();
  agreed_.clear();
  auto next = std::make_shared<Packing>();
  next->parts = parts;
  const int ranks = shards_->ranks();
  const int rank = shards_->rank();
  std::vector<std::size_t> held(ranks, 0);
  std::vector<std::unique_ptr<PartTiles>> tiles(weights_.size());
  for (std::size_t i = 0; i < weights_.size(); ++i) {
    next->layout.emplace_back();
    if ((!parts[i].rows && !parts[i].cols) || !weights_[i].cut.whole_rows()) continue;
    tiles[i] = std::make_unique<PartTiles>(*this, i, parts[i]);
    next->layout.back().emplace(tiles[i]->packed(held));
  }
  // All ranks find that alike.
  if (std::all_of(held.begin(), held.end(), [](std::size_t bytes) { return bytes == 0; })) return;

  // What others may still read is not written over: all are done with what was packed before. They
  // have also opened what took the place of before_ by then.
  CORONET_CUDA_CHECK(cudaStreamSynchronize(ring_->copies()));
  group.barrier();
  give_back(before_);
  Told mine = told_[rank];
  const Lent* const at = packed_.memory.get();
  mine.packed = make_room(held[rank]) ? 1 : 0;
  if (packed_.memory.get() != at) ++mine.version;
  if (mine.packed != 0) {
    for (std::size_t i = 0; i < weights_.size(); ++i) {
      if (next->layout[i]) tiles[i]->pack(*next->layout[i], packed_.memory->data());
    }
    device_.wait();
  }
  std::vector<Told> told(ranks);
  group.all_gather(std::span<const Told>(&mine, 1), std::span<Told>(told));
  bool all = true;
  for (int r = 0; r < ranks; ++r) {
    if (r != rank && told[r].version != told_[r].version) {
      lent_[r] = Borrowed(device_, shards_->whereabouts(comm::Shards::Copy::kPacked, r));
    }
    all = all && told[r].packed != 0;
  }
  told_ = std::move(told);
  if (!all) return;
  agreed_ = parts;
  for (int r = 0; r < ranks; ++r) {
    next->memory.push_back(r == rank ? packed_.memory->data() : lent_[r].data());
    if (next->memory.back() == nullptr) return;
  }
  packing_ = std::move(next);
}

void FetchedWeights::keep(std::size_t bytes) {
  if (shards_ == nullptr) return;
  kept_.clear();
  spare_ = bytes;
  kept_.resize(weights_.size());
}

void FetchedWeights::count_waits() {
  const double seconds = ring_->waited();
  if (shards_ != nullptr) shards_->count(0, seconds);
}

}  // namespace coronet::cuda
