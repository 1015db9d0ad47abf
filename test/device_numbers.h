// What the tests of the device layer share: numbers, and tests for float and double that leave the
// instruction set as it was.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <random>
#include <vector>

#include "kernels/isa.h"
#include "ops/weight.h"

namespace coronet::test {

template <class T>
class DeviceTest : public testing::Test {
 protected:
  ~DeviceTest() override { kernels::set_isa("best"); }
};
using FloatAndDouble = testing::Types<float, double>;

/// In [-1, 1).
template <class T>
std::vector<T> numbers(std::size_t count, std::mt19937& random) {
  std::uniform_real_distribution<double> uniform(-1, 1);
  std::vector<T> all(count);
  for (T& x : all) x = static_cast<T>(uniform(random));
  return all;
}

inline Weight weight(std::size_t count, bool float64, std::mt19937& random) {
  Weight w;
  if (float64) {
    w.d = numbers<double>(count, random);
  } else {
    w.f = numbers<float>(count, random);
  }
  return w;
}

}  // namespace coronet::test
