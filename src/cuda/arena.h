// Device memory: dealt out in blocks of one heap, and counted by what it is for. Once a loop is
// warm it asks the driver for nothing.
#pragma once

#include <array>
#include <cstddef>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "cuda/heap.h"

namespace coronet::cuda {

/// What a block of device memory holds.
enum class Tensor { kWeights, kA, kAlpha, kPush, kDomains, kWorkspace };
inline constexpr int kTensors = 6;
const char* name_of(Tensor tensor);

/// Bytes in use, now or at the most.
struct Usage {
  std::array<std::size_t, kTensors> by{};
  std::size_t total = 0;
};

/// Blocks of a heap, as of the memory of the device that is current. All work on them runs on one
/// stream, so a block that was given back may be dealt out at once: what reads it next is queued
/// behind what wrote it. For one thread at a time.
class Arena {
 public:
  explicit Arena(std::unique_ptr<Heap> heap) : heap_(std::move(heap)) {}
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  /// At least `bytes` bytes, aligned to 256; throws kOutOfMemory, naming `what` and the bytes.
  void* take(std::size_t bytes, Tensor tensor, const char* what);
  void give(void* block) noexcept;

  /// Counts memory that is not the arena's (apart.h) as any other; throws as take().
  void set_aside(std::size_t bytes, Tensor tensor, const char* what);
  void take_back(std::size_t bytes, Tensor tensor) noexcept;

  [[nodiscard]] std::size_t limit() const { return heap_->limit(); }
  /// Bytes taken from the driver: the most that was ever in use, and what lay unused between.
  [[nodiscard]] std::size_t reserved() const { return heap_->size() + heap_->aside(); }
  [[nodiscard]] const Usage& now() const { return now_; }
  /// `by` is each class's own maximum, `total` that of their sum: they need not coincide.
  [[nodiscard]] const Usage& most() const { return most_; }
  void forget_most() { most_ = now_; }

 private:
  struct Block {
    std::size_t bytes = 0;
    Tensor tensor = Tensor::kWorkspace;
    bool free = true;
  };
  using Blocks = std::map<char*, Block>;
  Blocks::iterator merge(Blocks::iterator left, Blocks::iterator right);
  bool grow(std::size_t bytes);
  void count(std::size_t bytes, Tensor tensor);
  [[noreturn]] void refuse(std::size_t bytes, Tensor tensor, const char* what) const;

  std::unique_ptr<Heap> heap_;
  Blocks blocks_;                                 // by address
  std::set<std::pair<std::size_t, char*>> free_;  // by size, for the best fit
  Usage now_;
  Usage most_;
};

/// `count` numbers of an arena, given back at the end.
template <class T>
class Buffer {
 public:
  Buffer() = default;
  Buffer(Arena& arena, std::size_t count, Tensor tensor, const char* what)
      : arena_(&arena),
        data_(count == 0 ? nullptr : static_cast<T*>(arena.take(count * sizeof(T), tensor, what))),
        count_(count) {}
  ~Buffer() { reset(); }
  Buffer(Buffer&& other) noexcept { swap(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    swap(other);
    return *this;
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  [[nodiscard]] T* data() const { return data_; }
  [[nodiscard]] std::size_t size() const { return count_; }
  [[nodiscard]] bool empty() const { return count_ == 0; }
  void reset() noexcept {
    if (data_ != nullptr) arena_->give(data_);
    data_ = nullptr;
    count_ = 0;
  }
  void swap(Buffer& other) noexcept {
    std::swap(arena_, other.arena_);
    std::swap(data_, other.data_);
    std::swap(count_, other.count_);
  }

 private:
  Arena* arena_ = nullptr;
  T* data_ = nullptr;
  std::size_t count_ = 0;
};

}  // namespace coronet::cuda
