// The arrays of a device of the row engine whose memory an arena deals out (device/cpu.h says what
// a device is).
#pragma once

#include <cstddef>
#include <utility>

#include "cuda/arena.h"
#include "kernels/moment.h"

namespace coronet::bound {

/// Numbers of an arena; its size may be less than its room.
template <class T>
class ArenaArray {
 public:
  ArenaArray() = default;
  explicit ArenaArray(cuda::Buffer<T> buffer) : buffer_(std::move(buffer)), size_(buffer_.size()) {}
  [[nodiscard]] T* data() { return buffer_.data(); }
  [[nodiscard]] const T* data() const { return buffer_.data(); }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::size_t room() const { return buffer_.size(); }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  void shrink(std::size_t size) { size_ = size; }

 private:
  cuda::Buffer<T> buffer_;
  std::size_t size_ = 0;
};

class ArenaArrays {
 public:
  template <class T>
  using Array = ArenaArray<T>;
  template <class T>
  using Moment = kernels::Moment;

  template <class T>
  void reserve(Array<T>& array, std::size_t n) const {
    if (array.room() < n) {
      array = {};
      array = take<T>(n);
    }
    array.shrink(n);
  }
  /// A look waits for the device: what rows do that are done, meanwhile, does no harm.
  static constexpr int kLook = 4;

 protected:
  /// `tensor`: what the arrays that are made through this hold.
  ArenaArrays(cuda::Arena& arena, cuda::Tensor tensor) : arena_(&arena), tensor_(tensor) {}
  template <class T>
  [[nodiscard]] Array<T> take(std::size_t n) const {
    return Array<T>(cuda::Buffer<T>(*arena_, n, tensor_, cuda::name_of(tensor_)));
  }

 private:
  cuda::Arena* arena_;
  cuda::Tensor tensor_;
};

}  // namespace coronet::bound
