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
    const std::size_t at = bytes_.size();
    bytes_.resize(at + count);
    std::memcpy(bytes_.data() + at, from, count);
  }
  Bytes bytes_;
};

/// Refers to the bytes, which rank `from` sent (kAny: any). Throws Error(kInternal) where they end
/// too early, or where a bool is none; whoever reads checks what else must hold by require().
class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes, int from = kAny) : left_(bytes), from_(from) {}

  /// Of a class, no member may be a bool: not every byte is one.
  template <class T>
  requires std::is_trivially_copyable_v<T>
  void get(T& value) {
    if constexpr (std::is_same_v<T, bool>) {
      const auto byte = get<std::uint8_t>();
      require(byte <= 1, "a truth value that is none");
      value = byte == 1;
    } else {
      take(&value, sizeof value);
    }
  }
  template <class Array>
  requires std::is_trivially_copyable_v<typename Array::value_type>
  void get(Array& values) {
    constexpr std::size_t kEach = sizeof(typename Array::value_type);
    values.resize(get_count(kEach));
    take(values.data(), values.size() * kEach);
  }
  template <class T>
  T get() {
    T value{};
    get(value);
    return value;
  }
  /// A count of things of at least so many bytes each, which are all there.
  std::size_t get_count(std::size_t bytes_each) {
    const auto count = get<std::uint64_t>();
    require(count <= left_.size() / bytes_each, kTooShort);
    return static_cast<std::size_t>(count);
  }
  /// What was not read yet.
  [[nodiscard]] std::span<const std::byte> rest() const { return left_; }
  /// Throws where anything follows.
  void end() const { require(left_.empty(), "it goes on behind its end"); }

  /// Throws Error(kInternal) that says what is wrong with the letter.
  [[noreturn]] void refuse(const std::string& what) const {
    const std::string who = from_ == kAny ? "another rank" : "rank " + std::to_string(from_);
    throw Error(ErrorKind::kInternal, "a letter from " + who + " is damaged: " + what);
  }
  void require(bool good, const char* what) const {
    if (!good) refuse(what);
  }

 private:
  static constexpr const char* kTooShort = "it ends too early";
  void take(void* to, std::size_t count) {
    require(count <= left_.size(), kTooShort);
    if (count > 0) std::memcpy(to, left_.data(), count);
    left_ = left_.subspan(count);
  }
  std::span<const std::byte> left_;
  int from_;
};

}  // namespace coronet::comm
