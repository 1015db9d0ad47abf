// A counter-based random number generator: every number is a pure function of (seed, stream,
// counter).
//
// No state is carried along, so what is drawn does not depend on the number of threads or the order
// of the work.
#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>

namespace coronet {

/// The finalizer of SplitMix64 (Steele, Lea, Flood 2014): a bijection of 64 bits in which every
/// input bit reaches every output bit.
constexpr std::uint64_t mix64(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
  return x ^ (x >> 31);
}

/// 64 random bits.
constexpr std::uint64_t random_bits(std::uint64_t seed, std::uint64_t stream,
                                    std::uint64_t counter) {
  // Seed and stream are mixed before the counter walks along the golden ratio, as SplitMix64 does:
  // neighbouring seeds, streams and counters are then all unrelated. The odd constants keep (0, 0,
  // 0) away from the fixed point 0 of mix64.
  constexpr std::uint64_t kGolden = 0x9E3779B97F4A7C15ULL;
  const std::uint64_t key =
      mix64(mix64(seed + kGolden) + stream * 0xD1342543DE82EF95ULL + 0xDA3E39CB94B95BDBULL);
  return mix64(key + (counter + 1) * kGolden);
}

/// A double in [0, 1), a multiple of 2^-53.
constexpr double uniform(std::uint64_t seed, std::uint64_t stream, std::uint64_t counter) {
  return static_cast<double>(random_bits(seed, stream, counter) >> 11) * 0x1p-53;
}

/// An integer in [0, n), n > 0; the bias is below n / 2^64.
constexpr std::uint64_t uniform_index(std::uint64_t seed, std::uint64_t stream,
                                      std::uint64_t counter, std::uint64_t n) {
  // The upper half of the 128-bit product bits * n, in halves since ISO C++ has no 128-bit integer.
  const std::uint64_t bits = random_bits(seed, stream, counter);
  const std::uint64_t low = (bits & 0xFFFFFFFFULL) * (n & 0xFFFFFFFFULL);
  const std::uint64_t mid1 = (bits >> 32) * (n & 0xFFFFFFFFULL) + (low >> 32);
  const std::uint64_t mid2 = (bits & 0xFFFFFFFFULL) * (n >> 32) + (mid1 & 0xFFFFFFFFULL);
  return (bits >> 32) * (n >> 32) + (mid1 >> 32) + (mid2 >> 32);
}

/// A number from the standard normal distribution, by Box and Muller's transformation of two
/// uniform ones.
inline double normal(std::uint64_t seed, std::uint64_t stream, std::uint64_t counter) {
  const double u = 1.0 - uniform(seed, stream, 2 * counter);  // in (0, 1]: its logarithm is finite
  const double v = uniform(seed, stream, 2 * counter + 1);
  return std::sqrt(-2.0 * std::log(u)) * std::cos(2.0 * std::numbers::pi * v);
}

}  // namespace coronet
