// Numbers and arrays as the bytes of a letter, and back: for ranks that run the same program.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <type_traits>

#include "base/error.h"
#include "comm/channel.h"

namespace coronet::comm {

// The bytes are those of memory: ranks must agree on their order.
static_assert(std::endian::native == std::endian::little);

/// What put() wrote, get() reads, in the same order.
class Writer {
 public:
  template <class T>
  requires std::is_trivially_copyable_v<T>
  void put(const T& value) { append(&value, sizeof value); }
  /// Any vector or string of such values.
  template <class Array>
  requires std::is_trivially_copyable_v<typename Array::value_type>
  void put(const Array& values) {
    put(static_cast<std::uint64_t>(values.size()));
    append(values.data(), values.size() * sizeof(typename Array::value_type));
  }
  /// Bytes as they are, which Reader::rest() finds at the end.
  void put_rest(const void* from, std::size_t count) { append(from, count); }
  [[nodiscard]] Bytes take() { return std::move(bytes_); }

 private:
  void append(const void* from, std::size_t count) {
    if (count == 0) return;
    bytes_.resize(bytes_.size() + count);
    std::memcpy(bytes_.data() + bytes_.size() - count, from, count);
  }
  Bytes bytes_;
};

/// Refers to the bytes. Throws Error(kInternal) where they end too early.
class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) : left_(bytes) {}

  template <class T>
  requires std::is_trivially_copyable_v<T>
  void get(T& value) { take(&value, sizeof value); }
  template <class Array>
  requires std::is_trivially_copyable_v<typename Array::value_type>
  void get(Array& values) {
    std::uint64_t count = 0;
    get(count);
    constexpr std::size_t kEach = sizeof(typename Array::value_type);
    if (count > left_.size() / kEach) fail();
    values.resize(count);
    take(values.data(), count * kEach);
  }
  template <class T>
  T get() {
    T value{};
    get(value);
    return value;
  }
  /// What was not read yet.
  [[nodiscard]] std::span<const std::byte> rest() const { return left_; }

 private:
  [[noreturn]] static void fail() {
    throw Error(ErrorKind::kInternal, "a rank sent less than its letter should hold");
  }
  void take(void* to, std::size_t count) {
    if (count > left_.size()) fail();
    if (count > 0) std::memcpy(to, left_.data(), count);
    left_ = left_.subspan(count);
  }
  std::span<const std::byte> left_;
};

}  // namespace coronet::comm
