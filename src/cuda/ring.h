// Two buffers through which tiles come to the device: one is on its way, on a stream of its own,
// while the other is read by the engine's stream.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <deque>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "cuda/apart.h"
#include "cuda/device.h"
#include "cuda/matrix.h"
#include "cuda/moves.h"

namespace coronet::cuda {

/// For the thread that drives the device. The order of calls for a slot: begin(), copies to where
/// it points on copies(), arrive(), kernels on the engine's stream, release(). Between them
/// the streams wait for each other, the host for neither. A tile that goes elsewhere has its slot's
/// turn without begin().
class TileRing {
 public:
  static constexpr int kSlots = 2;
  static constexpr int kTimed = 7;  // odd: both slots have their turns
  static constexpr std::size_t rounded(std::size_t bytes) {
    constexpr std::size_t kAlign = 256;
    return (bytes + kAlign - 1) / kAlign * kAlign;
  }
  /// Of device memory, for slots of so many bytes and the buffer for the other precision.
  static constexpr std::size_t bytes_of(std::size_t tile, std::size_t converted) {
    return kSlots * rounded(tile) + rounded(converted);
  }

  /// A tile on its way.
  struct Coming {
    bool timed = false;                    ///< none of it came by the host
    const std::byte* elsewhere = nullptr;  ///< where it goes, if not into the slot
  };

  /// Slots of so many bytes, and a buffer for numbers of the other precision.
  TileRing(Device& device, std::size_t tile, std::size_t converted);
  /// Waits until nothing is on its way or read any more.
  ~TileRing();
  TileRing(const TileRing&) = delete;
  TileRing& operator=(const TileRing&) = delete;

  /// The slot's memory; what is copied to it on copies() waits until the slot is not read any more.
  std::byte* begin(int slot);
  [[nodiscard]] cudaStream_t copies() const { return copies_; }
  /// What the engine's stream does from now on waits for the copies to the slot that were queued
  /// since begin(). `timed`: seconds that it waits are counted, by one wait of kTimed: events that
  /// take the time cost the driver more than all else that a tile needs.
  const std::byte* arrive(int slot, bool timed);
  /// What was queued on the engine's stream so far is the last that reads the slot.
  void release(int slot);

  /// fn for the tiles of a matrix [rows, cols] of numbers of `each` bytes, `tile` rows each, in
  /// order, that have any of the rows of `only`. begin(t, slot) lets tile t's way begin, into the
  /// slot or to where it says.
  template <class T, class Begin>
  void walk(RowRange only, int rows, int cols, int tile, std::size_t each, const Begin& begin,
            const TileFn<T>& fn) {
    const int first_tile = only.first / tile;
    const int tiles = (std::min(rows, only.last) + tile - 1) / tile;
    Coming next;
    if (first_tile < tiles) next = begin(first_tile, turn_);
    for (int t = first_tile; t < tiles; ++t) {
      const int slot = turn_;
      // Those of the next walk go on with the other slot.
      turn_ = (turn_ + 1) % kSlots;
      const std::byte* const in_slot = arrive(slot, next.timed);
      const std::byte* const numbers = next.elsewhere != nullptr ? next.elsewhere : in_slot;
      const int first = t * tile;
      const int count = std::min(tile, rows - first);
      if (each == sizeof(T)) {
        fn(reinterpret_cast<const T*>(numbers), first, count);
        release(slot);
      } else {
        using Held = std::conditional_t<std::is_same_v<T, float>, double, float>;
        T* const w = reinterpret_cast<T*>(converted_);
        convert(device_, static_cast<std::size_t>(count) * cols,
                reinterpret_cast<const Held*>(numbers), w);
        release(slot);
        fn(w, first, count);
      }
      // The next one comes while the device is at this one.
      if (t + 1 < tiles) next = begin(t + 1, turn_);
    }
  }

  /// Bytes of the host go to `to`, on copies(): fill(room) writes at most Staging::kBytes.
  template <class Fill>
  void stage(std::size_t bytes, void* to, const Fill& fill) {
    if (!staging_) staging_ = std::make_unique<Staging>();
    fill(staging_->room());
    staging_->send(to, bytes, copies_);
  }

  /// Seconds that the engine's stream waited, of waits that are over and were not told yet: an
  /// estimate from those that were timed.
  double waited();

 private:
  struct Slot {
    std::byte* memory = nullptr;
    CUevent_st* arrived = nullptr;
    CUevent_st* released = nullptr;
  };
  /// Recorded before and after a wait.
  using Wait = std::pair<CUevent_st*, CUevent_st*>;

  void close() noexcept;
  Wait spare_wait();

  Device& device_;
  std::size_t bytes_;
  std::unique_ptr<Apart> memory_;
  std::array<Slot, kSlots> slots_{};
  std::byte* converted_ = nullptr;  // used on the engine's stream only
  cudaStream_t copies_ = nullptr;
  std::unique_ptr<Staging> staging_;
  int turn_ = 0;            // the slot of the next tile
  int arrivals_ = 0;        // of those that might be timed
  std::deque<Wait> waits_;  // in the order of the stream
  std::vector<Wait> spare_;
};

}  // namespace coronet::cuda
