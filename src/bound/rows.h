// A batch of rows: linear forms of one node's value, each to be bounded below over its domain.
#pragma once

#include <cstddef>
#include <vector>

#include "base/aligned.h"
#include "bound/plan.h"

namespace coronet::bound {

/// A split neuron of one row: z >= 0 (sign 1) or z <= 0 (sign -1), with its multiplier beta >= 0
/// and Adam's moments.
template <class T>
struct Split {
  int neuron = 0;
  T sign = 1;
  T beta = 0;
  T m = 0;
  T v = 0;
};

/// Row r asks for the minimum of  A_r . value(node) + input_r . x + constant_r  over domain[r].
/// Two forms: a selection (A_r = sign_r e_neuron_r) or dense rows.
template <class T>
struct Rows {
  int count = 0;
  bool selection = false;
  std::vector<int> neuron;            ///< selection: [count]
  std::vector<T> sign;                ///< selection: [count]
  AlignedVector<T> dense;             ///< dense: [count, size(node)]
  AlignedVector<T> input;             ///< [count, inputs], or empty
  std::vector<double> constant;       ///< [count], or empty
  std::vector<int> domain;            ///< [count], or empty: all of domain 0
  std::vector<int> start_y, start_x;  ///< [count] where patches start; empty for whole rows
  std::vector<int> id;                ///< [count] the caller's name of each row

  /// Optimised lower slopes of one elementwise node and Adam's moments: [count, extent]; empty: the
  /// lines' own slopes.
  struct Alpha {
    AlignedVector<T> value, m, v;
  };
  std::vector<Alpha> alpha;  ///< [nodes] or empty
  std::vector<std::vector<std::vector<Split<T>>>>
      splits;  ///< [nodes][count] or empty

  [[nodiscard]] RowSet set() const {
    return {count, start_y.empty() ? nullptr : start_y.data(),
            start_x.empty() ? nullptr : start_x.data()};
  }

  /// Keeps the rows r with keep[r], in order, with all that belongs to them.
  void compact(const std::vector<char>& keep, const Plan& plan);
};

}  // namespace coronet::bound
