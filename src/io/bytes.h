// Numbers as bytes, little-endian, with a checksum at the end; and back, from bytes that nobody
// vouches for.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/hash.h"

namespace coronet {

/// Gathers what is put and hands it to the sink in pieces of about a mebibyte.
class ByteWriter {
 public:
  using Sink = std::function<void(std::string_view)>;
  explicit ByteWriter(Sink sink) : sink_(std::move(sink)) {}

  template <class T>
  requires std::is_arithmetic_v<T>
  void put(T value) { append(&value, sizeof value); }
  /// The count, then the numbers.
  template <class T>
  requires std::is_arithmetic_v<T>
  void put(const std::vector<T>& values) {
    put(std::uint64_t{values.size()});
    append(values.data(), values.size() * sizeof(T));
  }
  void put(std::string_view text);
  /// The bytes alone.
  void append(const void* data, std::size_t count);
  /// The checksum of all before; nothing may follow.
  void finish();

 private:
  // Memory is copied as it is.
  static_assert(std::endian::native == std::endian::little);

  void flush();

  Sink sink_;
  std::string buffer_;
  Hash hash_;
};

/// Reads what ByteWriter wrote. Every call throws Error(kBadInput), beginning with the source's
/// name, where the bytes end too early or a count cannot be true; nothing larger than what is left
/// of the source is ever allocated. What was read counts only once finish() has returned.
class ByteReader {
 public:
  /// Fills up to `count` bytes, returns how many: 0 at the end.
  using Source = std::function<std::size_t(char*, std::size_t count)>;
  ByteReader(std::string name, std::uint64_t size, Source source);
  /// Of bytes in memory, which must outlive it.
  ByteReader(std::string name, std::string_view bytes);

  template <class T>
  requires std::is_arithmetic_v<T> T get() {
    T value{};
    take(&value, sizeof value);
    return value;
  }
  bool get_bool();
  template <class T>
  requires std::is_arithmetic_v<T> std::vector<T> get_all() {
    std::vector<T> values(get_count(sizeof(T)));
    take(values.data(), values.size() * sizeof(T));
    return values;
  }
  /// At most `most` bytes.
  std::string get_text(std::size_t most);
  /// A count of things of at least so many bytes each.
  std::size_t get_count(std::size_t bytes_each);
  void take(void* to, std::size_t count);
  /// Reads the checksum; throws where it is another one, or where bytes follow.
  void finish();

  [[noreturn]] void fail(const std::string& what) const;

 private:
  void refill();

  std::string name_;
  Source source_;
  std::string buffer_;
  std::size_t at_ = 0;
  std::uint64_t left_;  ///< bytes of the source that were not taken yet
  Hash hash_;
};

}  // namespace coronet
