// An affine operator whose inputs are shared by the ranks of a tensor group.
#pragma once

#include <algorithm>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "bound/affine.h"
#include "bound/tensor/group.h"
#include "device/vector.h"

namespace coronet::bound {

/// What an operator adds to the sum of the ranks' products.
struct Constant {
  std::vector<double> bias;  ///< [outputs]
  Precision precision;
};

/// `share` multiplies this rank's inputs by their columns of the weights and adds nothing; the
/// outputs, which every rank has whole, are the ranks' products, added up rank by rank, and the
/// constant. Pull needs nobody else, push and columns add up.
template <class T>
class AffineSummed final : public Affine<T> {
 public:
  /// Refers to the constant and to the group.
  AffineSummed(std::shared_ptr<const Affine<T>> share, const Constant& constant, TensorGroup& group)
      : share_(std::move(share)),
        constant_(constant),
        bias_(constant.bias.begin(), constant.bias.end()),
        group_(group) {}

  Extent reach(const Extent& out, int k) const override { return share_->reach(out, k); }

  void pull(const RowSet& rows, const T* a, const Extent& out, int k, T* u, const Extent& in,
            bool accumulate) const override {
    share_->pull(rows, a, out, k, u, in, accumulate);
  }

  bool pull_selection(int count, const int* neuron, const T* sign, T* u,
                      double* bias) const override {
    if (!share_->pull_selection(count, neuron, sign, u, nullptr)) return false;
    for (int r = 0; bias != nullptr && r < count; ++r) bias[r] += sign[r] * bias_of(neuron[r]);
    return true;
  }

  void push(const RowSet& rows, const T* const* x, const Extent* const* in, T* y,
            const Extent& out) const override {
    share_->push(rows, x, in, y, out);
    const std::size_t n = bias_.size();
    const int most = group_.block_rows(n * sizeof(T));
    for (int first = 0; first < rows.count; first += most) {
      const auto count = static_cast<std::size_t>(std::min(most, rows.count - first));
      group_.sum(std::span<T>(y + static_cast<std::size_t>(first) * n, count * n));
    }
    for (int r = 0; r < rows.count; ++r) {
      T* row = y + static_cast<std::size_t>(r) * n;
      for (std::size_t j = 0; j < n; ++j) row[j] += bias_[j];
    }
  }

  void bias(const RowSet& rows, const T* a, const Extent&, double* bias) const override {
    const int n = static_cast<int>(bias_.size());
    for (int r = 0; r < rows.count; ++r) {
      bias[r] += device::dot(n, a + static_cast<std::size_t>(r) * bias_.size(), bias_.data());
    }
  }
  double bias_of(int element) const override { return constant_.bias[element]; }

  void apply(const double* const* u, double* y, Workers* workers) const override {
    share_->apply(u, y, workers);
    group_.sum(std::span<double>(y, bias_.size()));
    for (std::size_t j = 0; j < bias_.size(); ++j) y[j] += constant_.bias[j];
  }
  void apply_abs(const double* const* u, double* y, Workers* workers) const override {
    share_->apply_abs(u, y, workers);
    group_.sum(std::span<double>(y, bias_.size()));
    for (std::size_t j = 0; j < bias_.size(); ++j) y[j] += hidden(static_cast<int>(j));
  }

  double hidden(int element) const override {
    return hidden_of(constant_.precision, static_cast<std::size_t>(element));
  }
  /// A sum over all inputs is one over this rank's, one over the ranks, and the constant.
  int terms() const override { return share_->terms() + group_.size() + 2; }
  std::size_t bytes() const override { return share_->bytes(); }

 private:
  std::shared_ptr<const Affine<T>> share_;
  const Constant& constant_;
  AlignedVector<T> bias_;
  TensorGroup& group_;
};

}  // namespace coronet::bound
