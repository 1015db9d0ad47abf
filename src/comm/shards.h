// Arrays of bytes that lie in equal parts on the ranks of a group, and are read from any of them.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "base/memory_ledger.h"
#include "comm/communicator.h"

namespace coronet::comm {

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
  /// Waits for them; they stay there as long as this and the Shards do. Throws as
  /// Channel::receive().
  const std::byte* wait();

 private:
  friend class Shards;
  struct Piece {
    Request request;
    std::size_t at;  // in what was asked for
    std::size_t count;
  };
  explicit ShardFetch(const Shards& shards) : shards_(&shards) {}

  const Shards* shards_;
  const std::byte* here_ = nullptr;  // where the bytes are once they are there
  std::vector<Piece> pieces_;
  Bytes bytes_;
  Counted counted_;
};

/// A one-sided store: whoever reads asks the owner by a letter, and a thread of the owner's
/// answers, whatever else that rank is at. So ranks need not read the same things, nor at the same
/// time.
class Shards {
 public:
  /// The bytes [first, second) of an array of so many that a rank holds: parts are equal but for
  /// eight bytes.
  static std::pair<std::size_t, std::size_t> part(std::size_t total, int ranks, int rank);

  /// All ranks of the group make one together; its letters are not those of `group`, whose channel
  /// must outlive it.
  explicit Shards(Communicator& group);
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

  /// Bytes [first, first + count) of an array, asked for now; no copy where all of them are here.
  /// From any thread, after serve().
  [[nodiscard]] ShardFetch fetch(int array, std::size_t first, std::size_t count) const;

  /// Tells whoever asks from now on.
  void publish(std::shared_ptr<const Elsewhere> mine) const;
  /// Asks another rank; throws as Channel::receive().
  [[nodiscard]] Whereabouts whereabouts(int owner) const;
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

  void answer();
  void answer(const Question& question, int from);
  [[nodiscard]] int next_tag() const;

  Communicator group_;
  std::vector<Array> arrays_;
  mutable std::mutex publishing_;
  mutable std::shared_ptr<const Elsewhere> published_;
  MemoryLedger* ledger_ = nullptr;
  mutable std::atomic<std::uint32_t> asked_{0};
  mutable std::atomic<std::int64_t> waited_{0};  // nanoseconds
  mutable std::atomic<std::uint64_t> fetched_{0};
  std::thread thread_;
};

}  // namespace coronet::comm
