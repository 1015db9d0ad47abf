// Two buffers through which tiles come to the device: one is on its way, on a stream of its own,
// while the other is read by the engine's stream.
#pragma once

#include <array>
#include <cstddef>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "cuda/apart.h"
#include "cuda/device.h"

namespace coronet::cuda {

/// For the thread that drives the device. The order of calls for a slot: begin(), copies to where
/// it points on copies(), arrive(), kernels on the engine's stream, release(). Between them
/// the streams wait for each other, the host for neither.
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

  /// Used on the engine's stream only.
  [[nodiscard]] std::byte* converted() const { return converted_; }

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
  std::byte* converted_ = nullptr;
  cudaStream_t copies_ = nullptr;
  std::unique_ptr<Staging> staging_;
  int arrivals_ = 0;        // of those that might be timed
  std::deque<Wait> waits_;  // in the order of the stream
  std::vector<Wait> spare_;
};

}  // namespace coronet::cuda
