// A batch of rows: linear forms of one node's value, each to be bounded below over its domain.
#pragma once

#include <cstddef>
#include <vector>

#include "bound/plan.h"
#include "device/cpu.h"

namespace coronet::bound {

using device::Split;
using device::Step;

/// Row r asks for the minimum of  A_r . value(node) + input_r . x + constant_r  over domain[r].
/// Two forms: a selection (A_r = sign_r e_neuron_r) or dense rows.
template <class T, class D = device::Cpu>
struct Rows {
  template <class V>
  using Array = typename D::template Array<V>;
  using Moment = typename D::template Moment<T>;

  int count = 0;
  bool selection = false;
  Array<int> neuron;            ///< selection: [count]
  Array<T> sign;                ///< selection: [count]
  Array<T> dense;               ///< dense: [count, size(node)]
  Array<T> input;               ///< [count, inputs], or empty
  Array<double> constant;       ///< [count], or empty
  Array<int> domain;            ///< [count], or empty: all of domain 0
  Array<int> start_y, start_x;  ///< [count] where patches start; empty for whole rows
  std::vector<int> id;          ///< [count] the caller's name of each row
  Array<T> rate;  ///< [count] factor of the learning rate of the row's alpha, or empty: 1

  /// Optimised lower slopes of one elementwise node and Adam's moments: [count, extent], or of the
  /// first `width` neurons only; empty: the lines' own slopes.
  struct Alpha {
    Array<T> value;
    Array<Moment> m, v;
    std::size_t width = 0;  ///< numbers of a row, where it has fewer than the extent; else 0
  };
  std::vector<Alpha> alpha;                            ///< [nodes] or empty
  std::vector<typename D::template Splits<T>> splits;  ///< [nodes] or empty

  [[nodiscard]] RowSet set() const {
    return {count, start_y.empty() ? nullptr : start_y.data(),
            start_x.empty() ? nullptr : start_x.data()};
  }

  /// The optimised slopes of a node's rows, to be read, and to be stepped; null where there are
  /// none.
  [[nodiscard]] const T* lower(int node) const {
    return alpha.empty() || alpha[node].value.empty() ? nullptr : alpha[node].value.data();
  }
  [[nodiscard]] device::SlopesAt<T, Moment> slopes(int node) {
    if (alpha.empty() || alpha[node].value.empty()) return {};
    return {alpha[node].value.data(), alpha[node].m.data(), alpha[node].v.data(),
            rate.empty() ? nullptr : rate.data()};
  }

  /// Keeps the rows r with keep[r], in order, with all that belongs to them.
  void compact(const D& device, const std::vector<char>& keep, const Plan& plan);
};

}  // namespace coronet::bound
