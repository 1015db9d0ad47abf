#pragma once

#include <algorithm>
#include <cmath>

#include "base/aligned.h"
#include "bound/affine.h"
#include "device/blocks.h"
#include "device/vector.h"

namespace coronet::bound {

/// y = M u + b, M in compressed rows, multiplied in blocks where its entries lie so.
template <class T>
class AffineSparse final : public Affine<T> {
 public:
  AffineSparse(const Sparse& op, const Shape& in, PackBudget& budget) : op_(op), in_(in) {
    const device::SparseView m{static_cast<int>(op.bias.size()), in.size(), op.row.data(),
                               op.column.data(), op.value.data()};
    const device::SparseMatrix columns = device::transposed(m);
    pull_ = device::PackedBlocks<T>(columns.view());
    push_ = device::PackedBlocks<T>(device::transposed(columns.view()).view());  // now sorted
    budget.take(bytes());
    bias_.assign(op.bias.begin(), op.bias.end());
  }
  Extent reach(const Extent&, int) const override { return Extent::all(in_); }

  void pull(const RowSet& rows, const T* a, const Extent& out, int, T* u, const Extent&,
            bool accumulate) const override {
    if (pull_.empty()) {
      pull_entries(rows.count, a, u, accumulate);
      return;
    }
    // Rows about neighbouring neurons leave most of an image zero.
    const int n = out.size();
    int begin = n;
    int end = 0;
    for (int r = 0; r < rows.count; ++r) {
      const T* row = a + static_cast<std::size_t>(r) * n;
      for (int i = 0; i < begin; ++i) {
        if (row[i] != 0) begin = i;
      }
      for (int i = n; i > end; --i) {
        if (row[i - 1] != 0) end = i;
      }
    }
    pull_.run(rows.count, a, begin, end, u, accumulate);
  }

  bool pull_selection(int count, const int* neuron, const T* sign, T* u,
                      double* bias) const override {
    // As in AffineDense: rounded weights go the way that counts it.
    if (std::is_same_v<T, double> && op_.precision.roundings > 0) return false;
    const std::size_t n = in_.size();
    std::fill(u, u + count * n, T(0));
    for (int r = 0; r < count; ++r) {
      if (bias != nullptr) bias[r] += sign[r] * op_.bias[neuron[r]];
      for (auto e = op_.row[neuron[r]]; e < op_.row[neuron[r] + 1]; ++e) {
        u[r * n + op_.column[e]] += sign[r] * static_cast<T>(op_.value[e]);
      }
    }
    return true;
  }

  void push(const RowSet& rows, const T* const* x, const Extent* const*, T* y,
            const Extent& out) const override {
    for (int r = 0; r < rows.count; ++r) {
      std::copy(bias_.begin(), bias_.end(), y + static_cast<std::size_t>(r) * out.size());
    }
    if (push_.empty()) {
      push_entries(rows.count, x[0], y);
    } else {
      push_.run(rows.count, x[0], 0, in_.size(), y, true);
    }
  }

  void bias(const RowSet& rows, const T* a, const Extent& out, double* bias) const override {
    for (int r = 0; r < rows.count; ++r) {
      bias[r] +=
          device::dot(out.size(), a + static_cast<std::size_t>(r) * out.size(), bias_.data());
    }
  }
  double bias_of(int element) const override { return op_.bias[element]; }

  void apply(const double* const* u, double* y, Workers* workers) const override {
    combine(u[0], y, false);
  }
  void apply_abs(const double* const* u, double* y, Workers* workers) const override {
    combine(u[0], y, true);
  }

  double hidden(int element) const override { return hidden_of(op_.precision, element); }
  int terms() const override {
    return static_cast<int>(op_.bias.size()) + 2 * in_.size() + 2 + op_.precision.roundings;
  }
  std::size_t bytes() const override { return push_.bytes() + pull_.bytes(); }

 private:
  void pull_entries(int count, const T* a, T* u, bool accumulate) const {
    const std::size_t n = in_.size();
    const std::size_t m = op_.bias.size();
    if (!accumulate) std::fill(u, u + count * n, T(0));
    for (int r = 0; r < count; ++r) {
      for (std::size_t i = 0; i < m; ++i) {
        const T v = a[r * m + i];
        if (v == 0) continue;
        for (auto e = op_.row[i]; e < op_.row[i + 1]; ++e) {
          u[r * n + op_.column[e]] += v * static_cast<T>(op_.value[e]);
        }
      }
    }
  }

  void push_entries(int count, const T* x, T* y) const {
    const std::size_t n = in_.size();
    const std::size_t m = op_.bias.size();
    for (int r = 0; r < count; ++r) {
      for (std::size_t i = 0; i < m; ++i) {
        for (auto e = op_.row[i]; e < op_.row[i + 1]; ++e) {
          y[r * m + i] += static_cast<T>(op_.value[e]) * x[r * n + op_.column[e]];
        }
      }
    }
  }

  void combine(const double* u, double* y, bool absolute) const {
    for (std::size_t i = 0; i < op_.bias.size(); ++i) {
      double sum = absolute ? hidden(static_cast<int>(i)) : op_.bias[i];
      for (auto e = op_.row[i]; e < op_.row[i + 1]; ++e) {
        sum += (absolute ? std::fabs(op_.value[e]) : op_.value[e]) * u[op_.column[e]];
      }
      y[i] = sum;
    }
  }
  const Sparse& op_;
  Shape in_;
  device::PackedBlocks<T> pull_;
  device::PackedBlocks<T> push_;
  AlignedVector<T> bias_;
};

}  // namespace coronet::bound
