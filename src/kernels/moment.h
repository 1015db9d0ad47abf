// Adam's moments in 16 bits: the upper half of a float32, rounded to nearest.
#pragma once

#include <bit>
#include <cstdint>

#include "kernels/formulas.h"

namespace coronet::kernels {

/// A moment as it is stored. What it steers is sound with any value.
struct Moment {
  std::uint16_t bits = 0;
};

CORONET_FORMULA float widened(Moment moment) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(moment.bits) << 16);
}
CORONET_FORMULA Moment narrowed(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  return {static_cast<std::uint16_t>((bits + 0x7FFFU + ((bits >> 16) & 1U)) >> 16)};
}

}  // namespace coronet::kernels
