// Device memory at consecutive addresses, which grows by what is asked for: memory that was given
// back and memory that is added later make one block.
#pragma once

#include <cstddef>
#include <vector>

namespace coronet::cuda {

/// Of the device that is current. Errors of CUDA are thrown, but that there is no more memory.
class Heap {
 public:
  /// Addresses for at most `limit` bytes; memory is taken from the driver by grow() only.
  explicit Heap(std::size_t limit);
  ~Heap();
  Heap(const Heap&) = delete;
  Heap& operator=(const Heap&) = delete;

  [[nodiscard]] char* begin() const { return begin_; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::size_t limit() const { return limit_; }
  [[nodiscard]] std::size_t aside() const { return aside_; }
  /// At least `bytes` more bytes at the end; false where the limit or the device has no more.
  bool grow(std::size_t bytes);
  /// Leaves so much of the limit to memory that is not the heap's; false where less is left.
  bool set_aside(std::size_t bytes);
  void take_back(std::size_t bytes) { aside_ -= bytes; }

 private:
  int device_ = 0;
  std::size_t granularity_ = 0;
  std::size_t limit_ = 0;
  char* begin_ = nullptr;
  std::size_t size_ = 0;
  std::size_t aside_ = 0;
  std::vector<std::size_t> pieces_;  // bytes of each, in order
};

}  // namespace coronet::cuda
