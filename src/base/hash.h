// A hash of bytes in 64 bits, against accidents: not against people who look for collisions.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <vector>

#include "base/rng.h"

namespace coronet {

/// Takes words of eight bytes one after another through mix64, a bijection: two sequences of one
/// length that differ in a single word never have one hash. How the bytes are dealt to calls does
/// not matter.
class Hash {
 public:
  void add(const void* data, std::size_t count) {
    const char* at = static_cast<const char*>(data);
    length_ += count;
    while (count > 0 && (held_ > 0 || count < sizeof(std::uint64_t))) {
      word_ |= std::uint64_t{static_cast<unsigned char>(*at++)} << (8 * held_);
      --count;
      if (++held_ < sizeof(std::uint64_t)) continue;
      mix(word_);
      word_ = held_ = 0;
    }
    for (; count >= sizeof(std::uint64_t); at += sizeof(std::uint64_t)) {
      std::uint64_t word = 0;
      std::memcpy(&word, at, sizeof word);
      mix(word);
      count -= sizeof word;
    }
    for (; count > 0; --count, ++held_) {
      word_ |= std::uint64_t{static_cast<unsigned char>(*at++)} << (8 * held_);
    }
  }
  template <class T>
  requires std::is_arithmetic_v<T>
  void add(T number) { add(&number, sizeof number); }
  /// With its length, so that two lists one after another are not one list.
  template <class T>
  requires std::is_arithmetic_v<T>
  void add(const std::vector<T>& numbers) {
    add(std::uint64_t{numbers.size()});
    add(numbers.data(), numbers.size() * sizeof(T));
  }

  [[nodiscard]] std::uint64_t value() const { return mix64(mix64(state_ ^ word_) ^ length_); }

 private:
  // A word is read as the machine has it: files are compared on machines of one byte order.
  static_assert(std::endian::native == std::endian::little);

  void mix(std::uint64_t word) { state_ = mix64(state_ ^ word); }

  std::uint64_t state_ = 0x9E3779B97F4A7C15ULL;
  std::uint64_t word_ = 0;
  std::size_t held_ = 0;  ///< bytes of word_
  std::uint64_t length_ = 0;
};

}  // namespace coronet
