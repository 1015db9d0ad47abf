// Bytes that one rank holds, counted by what they are for.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace coronet {

/// What is counted, and planned (src/plan/), in the host's memory; a GPU counts its own
/// (cuda/arena.h).
enum class MemoryClass {
  kWeights,        ///< at rest: all of them, or this rank's part
  kPackedWeights,  ///< copies in the kernels' order
  kA,              ///< A-matrices, and the values that push carries through the same buffers
  kAlpha,          ///< optimised slopes, the best ones, Adam's moments
  kNetworks,       ///< written out for a batch of rows: without dead neurons
  kScratch,        ///< of the kernels of products, for each worker
  kTiles,          ///< of weights that lie elsewhere, on their way or in use
  kBounds,         ///< of the nodes of a root, their lines and magnitudes
  kDomains,        ///< open ones
  kCommunication,  ///< rooms in which ranks that share neurons meet, roots as others were told
                   ///< them; planned: tiles for others too
};
inline constexpr int kMemoryClasses = 10;
/// "weights", "packed weights", "A", "alpha and moments", ...
const char* name_of(MemoryClass of);
inline MemoryClass memory_class(int i) { return static_cast<MemoryClass>(i); }

/// Bytes by class, and of all. `most` of a class is its own maximum, and that of `total` the
/// maximum of the sum: they need not coincide.
struct MemoryUsage {
  struct Of {
    std::uint64_t now = 0;
    std::uint64_t most = 0;
  };
  std::array<Of, kMemoryClasses> by{};
  Of total;

  [[nodiscard]] const Of& operator[](MemoryClass of) const {
    return by[static_cast<std::size_t>(of)];
  }
};

/// From any thread. Two atomic additions a call: for buffers, not for what inner loops take.
class MemoryLedger {
 public:
  MemoryLedger() = default;
  MemoryLedger(const MemoryLedger&) = delete;
  MemoryLedger& operator=(const MemoryLedger&) = delete;

  void add(MemoryClass of, std::int64_t bytes);
  /// So many bytes were held in passing.
  void saw(MemoryClass of, std::uint64_t bytes) {
    add(of, static_cast<std::int64_t>(bytes));
    add(of, -static_cast<std::int64_t>(bytes));
  }
  [[nodiscard]] MemoryUsage usage() const;

 private:
  struct Count {
    std::atomic<std::int64_t> now{0};
    std::atomic<std::int64_t> most{0};
    void add(std::int64_t bytes);
    [[nodiscard]] MemoryUsage::Of read() const;
  };
  std::array<Count, kMemoryClasses> by_{};
  Count total_;
};

/// Bytes that somebody holds as long as this lives; nothing where the ledger is null.
class Counted {
 public:
  Counted() = default;
  Counted(MemoryLedger* ledger, MemoryClass of, std::uint64_t bytes = 0)
      : ledger_(ledger), of_(of) {
    set(bytes);
  }
  ~Counted() { set(0); }
  Counted(Counted&& other) noexcept
      : ledger_(other.ledger_), of_(other.of_), bytes_(std::exchange(other.bytes_, 0)) {}
  Counted& operator=(Counted&& other) noexcept {
    std::swap(ledger_, other.ledger_);
    std::swap(of_, other.of_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }

  /// There are so many now.
  void set(std::uint64_t bytes) {
    if (ledger_ == nullptr || bytes == bytes_) return;
    ledger_->add(of_, static_cast<std::int64_t>(bytes) - static_cast<std::int64_t>(bytes_));
    bytes_ = bytes;
  }
  [[nodiscard]] MemoryLedger* ledger() const { return ledger_; }

 private:
  MemoryLedger* ledger_ = nullptr;
  MemoryClass of_ = MemoryClass::kA;
  std::uint64_t bytes_ = 0;
};

}  // namespace coronet
