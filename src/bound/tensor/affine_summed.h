// An affine operator whose inputs are shared by the ranks of a tensor group.
#pragma once

#include <algorithm>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "bound/affine.h"
#include "bound/tensor/group.h"
#include "bound/tensor/row_exchange.h"

namespace coronet::bound {

/// What an operator adds to the sum of the ranks' products.
struct Constant {
  std::vector<double> bias;  ///< [outputs]
  Precision precision;
};

/// `share` multiplies this rank's inputs by their columns of the weights; rank 0's adds the
/// constant. The outputs, which every rank has whole, are the ranks' products, added up rank by
/// rank. Pull needs nobody else, push and columns add up.
template <class T>
class AffineSummed final : public Affine<T> {
 public:
  /// `rows`: of the device that `share` works on; columns are the host's. Refers to the constant
  /// and to the group.
  AffineSummed(std::shared_ptr<const Affine<T>> share, const Constant& constant, TensorGroup& group,
               std::shared_ptr<RowExchange<T>> rows)
      : share_(std::move(share)), constant_(constant), group_(group), rows_(std::move(rows)) {}

  Extent reach(const Extent& out, int k) const override { return share_->reach(out, k); }

  void pull(const RowSet& rows, const T* a, const Extent& out, int k, T* u, const Extent& in,
            bool accumulate) const override {
    share_->pull(rows, a, out, k, u, in, accumulate);
  }

  bool pull_selection(int count, const int* neuron, const T* sign, T* u,
                      double* bias) const override {
    return share_->pull_selection(count, neuron, sign, u, bias);
  }

  void push(const RowSet& rows, const T* const* x, const Extent* const* in, T* y,
            const Extent& out) const override {
    share_->push(rows, x, in, y, out);
    const std::size_t n = constant_.bias.size();
    const int most = rows_->block_rows(n * sizeof(T), 1);
    for (int first = 0; first < rows.count; first += most) {
      const auto count = static_cast<std::size_t>(std::min(most, rows.count - first));
      T* const block = after(y, static_cast<std::size_t>(first) * n);
      rows_->sum(count * n, block, block, false);
    }
  }

  /// Rank 0's share has it, and counts it (Network::counts).
  void bias(const RowSet& rows, const T* a, const Extent& out, double* bias) const override {
    share_->bias(rows, a, out, bias);
  }
  double bias_of(int element) const override { return constant_.bias[element]; }

  void apply(const double* const* u, double* y, Workers* workers) const override {
    share_->apply(u, y, workers);
    group_.sum(std::span<double>(y, constant_.bias.size()));
  }
  void apply_abs(const double* const* u, double* y, Workers* workers) const override {
    share_->apply_abs(u, y, workers);
    group_.sum(std::span<double>(y, constant_.bias.size()));
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
  TensorGroup& group_;
  std::shared_ptr<RowExchange<T>> rows_;
};

}  // namespace coronet::bound
