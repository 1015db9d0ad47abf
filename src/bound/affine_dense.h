#pragma once

#include <algorithm>
#include <type_traits>

#include "base/aligned.h"
#include "bound/affine.h"
#include "bound/dealing.h"
#include "device/gemm.h"
#include "device/vector.h"

namespace coronet::bound {

/// y = W u + b: pull is A W, push is X W^T. A weight that is not here is read by tiles of its rows,
/// in their order: of K in a pull, whose chains go on from tile to tile, and of N in a push.
template <class T>
class AffineDense final : public Affine<T> {
 public:
  AffineDense(const Dense& op, const Shape& in, PackBudget& budget) : op_(op), in_(in) {
    bias_.assign(op.bias.begin(), op.bias.end());
    if (!op.weight.here()) return;
    const device::WeightView pull{op.weight, 0, op.out, op.in, false};
    const device::WeightView push{op.weight, 0, op.out, op.in, true};
    if (budget.take(packed_bytes(op))) {
      pull_ = device::PackedMatrix<T>(pull);
      push_ = device::PackedMatrix<T>(push);
    }
  }

  /// Of both packed forms, where the budget has room for them.
  static std::size_t packed_bytes(const Dense& op) {
    const device::WeightView pull{op.weight, 0, op.out, op.in, false};
    const device::WeightView push{op.weight, 0, op.out, op.in, true};
    using Packed = device::PackedMatrix<T>;
    return Packed::bytes_for(pull) + Packed::bytes_for(push);
  }

  Extent reach(const Extent&, int) const override { return Extent::all(in_); }

  void pull(const RowSet& rows, const T* a, const Extent&, int, T* u, const Extent&,
            bool accumulate) const override {
    multiply(rows.count, a, op_.out, pull_, false, u, op_.in, accumulate);
  }

  bool pull_selection(int count, const int* neuron, const T* sign, T* u,
                      double* bias) const override {
    // Where the weights are off by rounding themselves, a proof counts that as it does a product's.
    if (std::is_same_v<T, double> && op_.precision.roundings > 0) return false;
    for (int r = 0; bias != nullptr && r < count; ++r) bias[r] += sign[r] * op_.bias[neuron[r]];
    pick_rows(op_.weight, op_.in, {neuron, static_cast<std::size_t>(count)},
              [&](int r, const auto* w) {
                T* row = u + static_cast<std::size_t>(r) * op_.in;
                for (int i = 0; i < op_.in; ++i) row[i] = sign[r] * static_cast<T>(w[i]);
              });
    return true;
  }

  void push(const RowSet& rows, const T* const* x, const Extent* const*, T* y,
            const Extent&) const override {
    multiply(rows.count, x[0], op_.in, push_, true, y, op_.out, false);
    for (int r = 0; r < rows.count; ++r) {
      T* row = y + static_cast<std::size_t>(r) * op_.out;
      for (int j = 0; j < op_.out; ++j) row[j] += bias_[j];
    }
  }

  void bias(const RowSet& rows, const T* a, const Extent&, double* bias) const override {
    for (int r = 0; r < rows.count; ++r) {
      bias[r] += device::dot(op_.out, a + static_cast<std::size_t>(r) * op_.out, bias_.data());
    }
  }
  double bias_of(int element) const override { return op_.bias[element]; }

  void apply(const double* const* u, double* y, Workers* workers) const override {
    columns(u[0], y, false, workers);
  }
  void apply_abs(const double* const* u, double* y, Workers* workers) const override {
    columns(u[0], y, true, workers);
  }
  double hidden(int element) const override { return hidden_of(op_.precision, element); }

  int terms() const override { return op_.in + op_.out + op_.precision.roundings; }
  std::size_t bytes() const override { return pull_.bytes() + push_.bytes(); }
  std::size_t scratch_bytes() const override {
    if (!pull_.empty()) return 0;
    const device::WeightView pull{op_.weight, 0, op_.out, op_.in, false};
    const device::WeightView push{op_.weight, 0, op_.out, op_.in, true};
    return std::max(device::scratch_bytes<T>(pull), device::scratch_bytes<T>(push));
  }

 private:
  void multiply(int m, const T* a, int lda, const device::PackedMatrix<T>& packed, bool transposed,
                T* c, int ldc, bool accumulate) const {
    if (!packed.empty()) {
      device::gemm(m, a, lda, packed, c, ldc, accumulate);
      return;
    }
    static thread_local std::vector<T> scratch;
    for_each_tile(op_.weight, op_.in, 0, op_.out, [&](const WeightRows& tile) {
      const device::WeightView view(tile, op_.in, transposed);
      if (transposed) {
        device::gemm(m, a, lda, view, c + tile.first, ldc, accumulate, scratch);
      } else {
        device::gemm(m, a + tile.first, lda, view, c, ldc, accumulate || tile.first > 0, scratch);
      }
    });
  }

  void columns(const double* u, double* y, bool absolute, Workers* workers) const {
    deal(workers, op_.weight.size(), op_.out,
         [&](int first, int last) { column(u, y, absolute, first, last); });
  }

  void column(const double* u, double* y, bool absolute, int first, int last) const {
    const auto run = [&](const WeightRows& tile, const auto* weights) {
      for (int j = tile.first; j < tile.last; ++j) {
        const auto* w = weights + static_cast<std::size_t>(j - tile.first) * op_.in;
        double sum[8] = {};
        int i = 0;
        for (; i + 8 <= op_.in; i += 8) {
          for (int k = 0; k < 8; ++k) {
            const double v = w[i + k];
            sum[k] += (absolute && v < 0 ? -v : v) * u[i + k];
          }
        }
        for (; i < op_.in; ++i)
          sum[0] += (absolute && w[i] < 0 ? -static_cast<double>(w[i]) : w[i]) * u[i];
        double total =
            ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
        y[j] = total + (absolute ? hidden(j) : op_.bias[j]);
      }
    };
    for_each_tile(op_.weight, op_.in, first, last, [&](const WeightRows& tile) {
      tile.visit([&](const auto* weights) { run(tile, weights); });
    });
  }

  const Dense& op_;
  Shape in_;
  device::PackedMatrix<T> pull_;
  device::PackedMatrix<T> push_;
  AlignedVector<T> bias_;
};

}  // namespace coronet::bound
