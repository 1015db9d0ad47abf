// Host memory that a device copies from and to by itself.
#pragma once

#include <cstddef>
#include <memory_resource>
#include <mutex>
#include <vector>

namespace coronet::cuda {

/// Blocks that were pinned stay so, and are given out again, until the end: pinning takes longer
/// than what is copied. Small ones, and those of which the system pins no more, are ordinary
/// memory.
class PinnedMemory final : public std::pmr::memory_resource {
 public:
  /// Copies of less wait for the driver, not for the bytes.
  static constexpr std::size_t kLeast = std::size_t{1} << 17;

  /// Of this device, from any thread, whose current device it becomes.
  explicit PinnedMemory(int ordinal) : ordinal_(ordinal) {}
  ~PinnedMemory() override;
  PinnedMemory(const PinnedMemory&) = delete;
  PinnedMemory& operator=(const PinnedMemory&) = delete;

 private:
  void* do_allocate(std::size_t bytes, std::size_t alignment) override;
  void do_deallocate(void* p, std::size_t bytes, std::size_t alignment) override;
  [[nodiscard]] bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override {
    return this == &other;
  }
  /// One that is free, or a new one; null: there is none. Under the lock.
  void* take(std::size_t bytes);

  struct Block {
    void* at = nullptr;
    std::size_t bytes = 0;
    bool free = false;
  };

  int ordinal_;
  std::mutex mutex_;
  std::vector<Block> blocks_;  // few; giving one back takes no memory
};

}  // namespace coronet::cuda
