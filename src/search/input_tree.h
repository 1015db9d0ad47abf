// The open boxes of branch and bound over inputs: what a search leaves behind and takes up again.
#pragma once

#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

namespace coronet::search {

/// A box, in graph order, with the clauses that are not yet refuted on it.
struct BoxDomain {
  std::vector<double> lower, upper;
  std::vector<int> clauses;  ///< of the property
  double bound = -HUGE_VAL;

  [[nodiscard]] std::size_t bytes() const {
    return sizeof(BoxDomain) + (lower.capacity() + upper.capacity()) * sizeof(double) +
           clauses.capacity() * sizeof(int);
  }
};

/// What a box is open for.
inline std::span<const int> clauses_of(const BoxDomain& box) { return box.clauses; }

struct InputTree {
  bool planted = false;  ///< false: nothing was begun, and the clauses' whole boxes are open
  std::vector<BoxDomain> open;
};

}  // namespace coronet::search
