#include "cuda/fetched.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <deque>
#include <numeric>
#include <type_traits>
#include <utility>

#include "base/error.h"
#include "base/resources.h"
#include "cuda/check.h"
#include "cuda/gather.h"
#include "cuda/moves.h"
#include "graph/sharded.h"

namespace coronet::cuda {

namespace {

/// Of what comes by the host, in one piece; so many are asked for at a time.
constexpr std::size_t kHostPiece = Staging::kBytes / 2;
constexpr std::size_t kHostPieces = 3;

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

struct FetchedWeights::One {
  const Weight* weight;
  int rows;
  int cols;
  std::size_t each;  ///< bytes of a number
  Striped cut;
  std::vector<std::size_t> offset;  ///< [ranks] of its stripes among those of all weights
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
    all_.walk<T>(
        one_.rows, one_.cols, std::max(1, one_.cut.count(0)), one_.each,
        [&](int t, int slot) { return all_.begin(one_, t, slot); }, fn);
  }

  FetchedWeights& all_;
  const One& one_;
};

/// The tiles of a part of a weight: about as many bytes as those of the whole one. Rows of other
/// ranks' devices are picked out by a kernel that reads them there; where some rank's cannot be
/// read so, rows come whole to the host.
class FetchedWeights::SomeTiles final : public TileSource {
 public:
  SomeTiles(FetchedWeights& all, const One& one, const Part& part)
      : all_(all),
        one_(one),
        rows_(entries(part.rows, one.rows)),
        cols_(entries(part.cols, one.cols)) {
    tile_ = one.cut.part_tile(rows_.size(), cols_.size(), one.each);
  }
  ~SomeTiles() override {
    // Kernels on that stream may still read the lists.
    if (from_.stretches != nullptr) report_failure(cudaStreamSynchronize(all_.ring_->copies()));
  }
  SomeTiles(const SomeTiles&) = delete;
  SomeTiles& operator=(const SomeTiles&) = delete;

  void for_each_tile(const TileFn<float>& fn) override { walk(fn); }
  void for_each_tile(const TileFn<double>& fn) override { walk(fn); }

 private:
  static std::vector<int> entries(const std::shared_ptr<const std::vector<int>>& some, int all) {
    if (some) return *some;
    std::vector<int> list(static_cast<std::size_t>(all));
    std::iota(list.begin(), list.end(), 0);
    return list;
  }

  template <class T>
  void walk(const TileFn<T>& fn) {
    reach();
    all_.walk<T>(
        static_cast<int>(rows_.size()), static_cast<int>(cols_.size()), tile_, one_.each,
        [&](int t, int slot) { return begin(t, slot); }, fn);
  }

  /// Finds where the rows lie on the devices, once they are all there.
  void reach() {
    if (from_.stretches != nullptr || all_.shards_ == nullptr) return;
    std::vector<const std::byte*> parts;
    for (int r = 0; r < all_.shards_->ranks(); ++r) {
      parts.push_back(all_.mapped(r));
      if (parts.back() == nullptr) return;
    }
    std::vector<Stretch> stretches;
    std::vector<int> begin{0};
    others_.assign(1, 0);
    const std::size_t row_bytes = static_cast<std::size_t>(one_.cols) * one_.each;
    for (const int row : rows_) {
      const int t = one_.cut.tile_of(row);
      const std::size_t at = static_cast<std::size_t>(row - one_.cut.first(t)) * row_bytes;
      std::size_t others = 0;
      for (int r = 0; r < static_cast<int>(parts.size()); ++r) {
        const auto [first, last] = one_.cut.stripe(t, r);
        const std::size_t from = std::max(first, at);
        const std::size_t to = std::min(last, at + row_bytes);
        if (from >= to) continue;
        // Where the row would begin, if all of it were there.
        const auto row_begin =
            reinterpret_cast<std::uintptr_t>(parts[r] + one_.offset[r] + one_.cut.place(t, r)) +
            at - first;
        stretches.push_back({reinterpret_cast<const void*>(row_begin),
                             static_cast<int>((from - at) / one_.each),
                             static_cast<int>((to - at) / one_.each)});
        if (r != all_.shards_->rank()) others += to - from;
      }
      begin.push_back(static_cast<int>(stretches.size()));
      others_.push_back(others_.back() + others);
    }
    Device& device = all_.device_;
    stretches_ = device.upload(stretches, Tensor::kWorkspace, "where rows of a weight lie");
    begin_ = device.upload(begin, Tensor::kWorkspace, "where rows of a weight lie");
    std::vector<int> place(static_cast<std::size_t>(one_.cols), -1);
    for (std::size_t c = 0; c < cols_.size(); ++c) place[cols_[c]] = static_cast<int>(c);
    place_ = device.upload(place, Tensor::kWorkspace, "the columns of a weight");
    // The other stream reads them.
    CORONET_CUDA_CHECK(cudaStreamSynchronize(device.stream()));
    from_ = {stretches_.data(), begin_.data(), place_.data(), static_cast<int>(cols_.size())};
  }

  bool begin(int t, int slot) {
    std::byte* const to = all_.ring_->begin(slot);
    const int first = t * tile_;
    const int last = std::min(static_cast<int>(rows_.size()), first + tile_);
    if (from_.stretches == nullptr) {
      through_host(first, last, to);
      return false;
    }
    const cudaStream_t stream = all_.ring_->copies();
    if (one_.each == sizeof(float)) {
      gather(from_, first, last - first, reinterpret_cast<float*>(to), stream);
    } else {
      gather(from_, first, last - first, reinterpret_cast<double*>(to), stream);
    }
    all_.shards_->count(others_[last] - others_[first], 0);
    return true;
  }

  void through_host(int first, int last, std::byte* to) {
    struct Run {
      int rows;
      std::unique_ptr<Fetch> fetch;
    };
    const auto width = static_cast<std::size_t>(one_.cols);
    const std::size_t most = std::max<std::size_t>(1, kHostPiece / (width * one_.each));
    std::deque<Run> coming;
    for (int asked = first; asked < last || !coming.empty();) {
      while (asked < last && coming.size() < kHostPieces) {
        int end = asked + 1;
        while (end < last && rows_[end] == rows_[end - 1] + 1 &&
               static_cast<std::size_t>(end - asked) < most) {
          ++end;
        }
        coming.push_back({end - asked, one_.weight->source->fetch(
                                           static_cast<std::size_t>(rows_[asked]) * width,
                                           static_cast<std::size_t>(end - asked) * width)});
        asked = end;
      }
      const Run& run = coming.front();
      const void* const from = run.fetch->wait();
      if (one_.each == sizeof(float)) {
        to = stage(static_cast<const float*>(from), run.rows, to);
      } else {
        to = stage(static_cast<const double*>(from), run.rows, to);
      }
      coming.pop_front();
    }
  }

  /// The part's columns of so many whole rows; returns where the next ones go.
  template <class T>
  std::byte* stage(const T* from, int rows, std::byte* to) {
    const std::size_t cols = cols_.size();
    const std::size_t all = cols * static_cast<std::size_t>(rows);
    const std::size_t most = Staging::kBytes / sizeof(T);
    for (std::size_t done = 0; done < all;) {
      const std::size_t count = std::min(most, all - done);
      all_.ring_->stage(count * sizeof(T), to, [&](void* room) {
        T* out = static_cast<T*>(room);
        for (std::size_t i = done; i < done + count;) {
          const T* const row = from + i / cols * static_cast<std::size_t>(one_.cols);
          const std::size_t c = i % cols;
          const std::size_t n = std::min(cols - c, done + count - i);
          for (std::size_t k = 0; k < n; ++k) *out++ = row[cols_[c + k]];
          i += n;
        }
      });
      done += count;
      to += count * sizeof(T);
    }
    return to;
  }

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

std::unique_ptr<TileSource> FetchedWeights::Tiles::part(const Part& part) {
  return std::make_unique<SomeTiles>(all_, one_, part);
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

template <class T, class Begin>
void FetchedWeights::walk(int rows, int cols, int tile, std::size_t each, const Begin& begin,
                          const TileFn<T>& fn) {
  count_waits();
  const int tiles = (rows + tile - 1) / tile;
  bool direct = tiles > 0 && begin(0, 0);
  for (int t = 0; t < tiles; ++t) {
    const int slot = t % TileRing::kSlots;
    const std::byte* const numbers = ring_->arrive(slot, direct);
    const int first = t * tile;
    const int count = std::min(tile, rows - first);
    if (each == sizeof(T)) {
      fn(reinterpret_cast<const T*>(numbers), first, count);
      ring_->release(slot);
    } else {
      using Held = std::conditional_t<std::is_same_v<T, float>, double, float>;
      T* const w = reinterpret_cast<T*>(ring_->converted());
      convert(device_, static_cast<std::size_t>(count) * cols,
              reinterpret_cast<const Held*>(numbers), w);
      ring_->release(slot);
      fn(w, first, count);
    }
    // The next one comes while the device is at this one.
    if (t + 1 < tiles) direct = begin(t + 1, (t + 1) % TileRing::kSlots);
  }
}

void FetchedWeights::count_waits() {
  const double seconds = ring_->waited();
  if (shards_ != nullptr) shards_->count(0, seconds);
}

}  // namespace coronet::cuda
