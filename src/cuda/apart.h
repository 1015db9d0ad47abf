// Device memory of its own: not of an arena, so that other devices and other processes can read it.
#pragma once

#include <cstddef>

namespace coronet::cuda {

/// From the driver, and back when nobody holds it any more, which may be another rank's thread.
class Apart {
 public:
  /// Of the device that is current. Throws kOutOfMemory where it has none left.
  explicit Apart(std::size_t bytes);
  ~Apart();
  Apart(const Apart&) = delete;
  Apart& operator=(const Apart&) = delete;

  [[nodiscard]] std::byte* data() const { return data_; }
  [[nodiscard]] int ordinal() const { return ordinal_; }

 private:
  std::byte* data_ = nullptr;
  int ordinal_ = 0;
};

}  // namespace coronet::cuda
