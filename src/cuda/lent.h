// Device memory that a rank lends to others, and what it borrows of them.
#pragma once

#include <cstddef>
#include <memory>

#include "comm/shards.h"
#include "cuda/apart.h"
#include "cuda/device.h"

namespace coronet::cuda {

/// Memory of the device that is current, which other ranks read: those of its process and, by
/// CUDA's IPC, of its host.
class Lent final : public comm::Elsewhere {
 public:
  /// Throws as Apart does.
  explicit Lent(std::size_t bytes);

  [[nodiscard]] comm::Bytes words() const override { return words_; }
  [[nodiscard]] std::byte* data() const { return memory_.data(); }
  [[nodiscard]] int ordinal() const { return memory_.ordinal(); }

 private:
  Apart memory_;
  comm::Bytes words_;  // empty where there is no IPC
};

/// What another rank has lent, as a device reads it.
class Borrowed {
 public:
  Borrowed() = default;
  /// For the device that is current, which is `device`.
  Borrowed(const Device& device, const comm::Whereabouts& told);
  ~Borrowed() { close(); }
  Borrowed(Borrowed&& other) noexcept { swap(other); }
  Borrowed& operator=(Borrowed&& other) noexcept {
    swap(other);
    return *this;
  }
  Borrowed(const Borrowed&) = delete;
  Borrowed& operator=(const Borrowed&) = delete;

  /// Null where the device cannot copy from it.
  [[nodiscard]] const std::byte* data() const { return data_; }
  /// May kernels read it too?
  [[nodiscard]] bool mapped() const { return mapped_; }

 private:
  void close() noexcept;
  void swap(Borrowed& other) noexcept;

  const std::byte* data_ = nullptr;
  bool mapped_ = false;
  std::shared_ptr<const Lent> held_;  // of this process
  void* opened_ = nullptr;            // of another one
};

}  // namespace coronet::cuda
