// The numbers of an affine operator, kept exactly as the model (or an exact folding in double) has
// them.
#pragma once

#include <cstddef>
#include <vector>

namespace coronet {

/// Exactly one of the two is filled: `f` where every value is a float32 of the model (products with
/// a float32 are then exact in double), `d` where the model is float64 or constants were folded in
/// double.
struct Weight {
  std::vector<float> f;
  std::vector<double> d;

  [[nodiscard]] std::size_t size() const { return f.empty() ? d.size() : f.size(); }
  [[nodiscard]] double at(std::size_t i) const { return f.empty() ? d[i] : f[i]; }
  [[nodiscard]] std::size_t bytes() const {
    return f.size() * sizeof(float) + d.size() * sizeof(double);
  }
};

}  // namespace coronet
