// Arrays of bytes that lie in equal parts on the ranks of a group, and are read from any of them.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include "base/memory_ledger.h"
#include "comm/communicator.h"
#include "comm/nearby.h"

namespace coronet::comm {

class Reader;
class Shards;

/// What a rank has made of its parts elsewhere than in the host's memory, where others may read
/// them.
class Elsewhere {
 public:
  Elsewhere() = default;
  virtual ~Elsewhere() = default;
  Elsewhere(const Elsewhere&) = delete;
  Elsewhere& operator=(const Elsewhere&) = delete;
  /// By which another process may find it; empty where none can.
  [[nodiscard]] virtual Bytes words() const = 0;
};

/// Where another rank has its parts: itself, for a rank of the same process, or its words. Neither,
/// where it has them in the host's memory only, so far.
struct Whereabouts {
  std::shared_ptr<const Elsewhere> here;
  Bytes words;
};

/// Bytes of an array on their way. Refers to the Shards.
class ShardFetch {
 public:
  ~ShardFetch();
  ShardFetch(ShardFetch&&) = default;
  ShardFetch& operator=(ShardFetch&&) = delete;
  ShardFetch(const ShardFetch&) = delete;
  ShardFetch& operator=(const ShardFetch&) = delete;

  /// Waits for them; they stay there as long as this and the Shards do. Throws as
  /// Channel::receive().
  const std::byte* wait();

 private:
  friend class Shards;
  struct Piece {
    int owner;
    std::size_t from;  // in the owner's part
    std::size_t at;    // in what was asked for
    std::size_t count;
    std::optional<Request> request;  // nothing, where it is read from the owner's memory
  };
  ShardFetch(const Shards& shards, int array, std::size_t count)
      : shards_(&shards), array_(array), count_(count) {}

  const Shards* shards_;
  int array_;
  std::size_t count_;
  const std::byte* here_ = nullptr;  // where the bytes are once they are there
  std::vector<Piece> pieces_;
  Bytes bytes_;
  bool spare_ = false;  // the bytes are a buffer of the Shards'
  Counted counted_;
};

/// A one-sided store: whoever reads an array takes it from the owner's memory, where the system
/// lets it (nearby.h), which ranks of one host do. Otherwise it asks the owner by a letter, and a
/// thread of the owner's answers, whatever else that rank is at. So ranks need not read the same
/// things, nor at the same time.
class Shards {
 public:
  enum class Way { kNearest, kLetters };

  /// The bytes [first, second) of an array of so many that a rank holds: parts are equal but for
  /// eight bytes.
  static std::pair<std::size_t, std::size_t> part(std::size_t total, int ranks, int rank);

  /// All ranks of the group make one together; its letters are not those of `group`, whose channel
  /// must outlive it.
  explicit Shards(Communicator& group, Way way = Way::kNearest);
  /// Answers no more: another rank that still reads waits until this one leaves.
  ~Shards();
  Shards(const Shards&) = delete;
  Shards& operator=(const Shards&) = delete;

  [[nodiscard]] int ranks() const { return group_.size(); }
  [[nodiscard]] int rank() const { return group_.rank(); }

  /// An array of `total` bytes of which this rank holds `mine`. All ranks add the same arrays in
  /// the same order, and then serve(). Returns its number.
  int add(Bytes mine, std::size_t total);
  void serve();

  /// Bytes [first, first + count) of an array, asked for now (or read on waiting, where that takes
  /// nobody else's time); no copy where all of them are here.
  /// From any thread, after serve().
  [[nodiscard]] ShardFetch fetch(int array, std::size_t first, std::size_t count) const;

  /// What a rank may have elsewhere: its parts as they are, and packed for a use.
  enum class Copy { kParts, kPacked };

  /// Tells whoever asks from now on.
  void publish(Copy which, std::shared_ptr<const Elsewhere> mine) const;
  /// Asks another rank; throws as Channel::receive().
  [[nodiscard]] Whereabouts whereabouts(Copy which, int owner) const;
  /// Counts bytes of others that this rank has read elsewhere, and seconds that it waited for them.
  void count(std::size_t bytes, double seconds) const;

  /// From now on fetches count in there what they bring here. Before the first of them.
  void count_in(MemoryLedger* ledger) { ledger_ = ledger; }

  /// Bytes of the array that lie here.
  [[nodiscard]] std::size_t bytes(int array) const { return arrays_[array].mine.size(); }
  /// Seconds that this rank's threads and its device have waited for bytes of others, in sum.
  [[nodiscard]] double waited() const { return static_cast<double>(waited_.load()) * 1e-9; }
  /// Bytes that came from others.
  [[nodiscard]] std::uint64_t fetched() const { return fetched_.load(); }

 private:
  friend class ShardFetch;
  struct Array {
    Bytes mine;
    std::size_t total;
  };
  struct Question;

  struct Neighbour {
    NearbyMemory memory;
    std::uint64_t process;              // that it runs in
    std::vector<std::uint64_t> arrays;  // their addresses there
  };

  void meet();
  void answer();
  void check(const Question& question, const Reader& reader) const;
  void answer(const Question& question, int from);
  [[nodiscard]] int next_tag() const;
  [[nodiscard]] bool nearby(int owner) const {
    return owner == rank() || neighbours_.at(owner).memory.open();
  }
  [[nodiscard]] Request ask(int array, int owner, std::size_t from, std::size_t count) const;
  [[nodiscard]] bool read(int array, int owner, std::size_t from, std::span<std::byte> to) const;
  [[nodiscard]] Bytes buffer(std::size_t bytes) const;
  void give_back(Bytes bytes) const;

  Communicator group_;
  Way way_;
  std::vector<Array> arrays_;
  std::optional<OpenMemory> open_;
  std::vector<Neighbour> neighbours_;  // [ranks]
  mutable std::mutex spare_lock_;
  mutable std::vector<Bytes> spare_;  // buffers that no fetch has now
  mutable std::mutex publishing_;
  mutable std::array<std::shared_ptr<const Elsewhere>, 2> published_;  // [copies]
  MemoryLedger* ledger_ = nullptr;
  mutable std::atomic<std::uint32_t> asked_{0};
  mutable std::atomic<std::int64_t> waited_{0};  // nanoseconds
  mutable std::atomic<std::uint64_t> fetched_{0};
  std::thread thread_;
};

}  // namespace coronet::comm
