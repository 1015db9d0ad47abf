// Arithmetic on constants that notes whether it rounded.
#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

#include "base/error.h"
#include "ops/operators.h"

namespace coronet::importer {

/// Products and sums of doubles, and whether any was rounded. Throws Error(kUnsupported) for a
/// product so small that its relative error is not bounded.
class Exactness {
 public:
  double times(double a, double b) {
    const double product = a * b;
    if (a != 0 && b != 0 && std::fabs(product) < 0x1p-960) {
      throw Error(ErrorKind::kUnsupported, "a product of constants is too small for a double");
    }
    rounded_ = rounded_ || std::fma(a, b, -product) != 0;
    return product;
  }
  double plus(double a, double b) {
    const double sum = a + b;
    const double of_b = sum - a;
    rounded_ = rounded_ || (a - (sum - of_b)) + (b - of_b) != 0;
    return sum;
  }
  double inverse(double a) {
    const double one_over = 1 / a;
    rounded_ = rounded_ || std::fma(one_over, a, -1.0) != 0;
    return one_over;
  }
  [[nodiscard]] bool rounded() const { return rounded_; }

 private:
  bool rounded_ = false;
};

/// The size of the terms of number i of `bias`.
inline double size_of_terms(const std::vector<double>& bias, const Precision& precision,
                            std::size_t i) {
  return std::fabs(bias[i]) + (precision.hidden.empty() ? 0 : precision.hidden[i]);
}

/// The precision of `bias` after so many roundings, its terms having these sizes.
inline Precision precision_of(int roundings, const std::vector<double>& bias,
                              std::vector<double> sizes) {
  Precision precision{roundings, {}};
  if (roundings == 0) return precision;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    sizes[i] = std::fmax(0.0, sizes[i] - std::fabs(bias[i]));
  }
  precision.hidden = std::move(sizes);
  return precision;
}

}  // namespace coronet::importer
