// Memory at consecutive addresses, which grows by what is asked for: memory that was given back and
// memory that is added later make one block.
#pragma once

#include <cstddef>
#include <vector>

namespace coronet::cuda {

/// The bytes and their limit; whence the memory comes, who derives from it says.
class Heap {
 public:
  virtual ~Heap() = default;
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

 protected:
  explicit Heap(std::size_t limit) : limit_(limit) {}
  /// Where it begins, and of what multiples it grows.
  void begin_at(char* begin, std::size_t granularity) {
    begin_ = begin;
    granularity_ = granularity;
  }
  [[nodiscard]] std::size_t granularity() const { return granularity_; }
  /// Adds memory behind what is there; false where there is none.
  virtual bool extend(std::size_t bytes) = 0;

 private:
  std::size_t limit_;
  char* begin_ = nullptr;
  std::size_t granularity_ = 1;
  std::size_t size_ = 0;
  std::size_t aside_ = 0;
};

/// Of the device that is current. Errors of CUDA are thrown, but that there is no more memory.
class DeviceHeap final : public Heap {
 public:
  /// Addresses for at most `limit` bytes; memory is taken from the driver by grow() only.
  explicit DeviceHeap(std::size_t limit);
  ~DeviceHeap() override;

 private:
  bool extend(std::size_t bytes) override;

  int device_ = 0;
  std::vector<std::size_t> pieces_;  // bytes of each, in order
};

/// Addresses without memory, for who wants to know what would be taken.
class CountedHeap final : public Heap {
 public:
  /// A device's memory grows by such pieces (the least granularity of all cards so far).
  static constexpr std::size_t kGranularity = std::size_t{2} << 20;
  explicit CountedHeap(std::size_t limit) : Heap(limit) {
    // Not null, and as round as a device's.
    begin_at(reinterpret_cast<char*>(kGranularity), kGranularity);
  }

 private:
  bool extend(std::size_t) override { return true; }
};

}  // namespace coronet::cuda
