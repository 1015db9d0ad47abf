// An affine operator whose outputs are shared by the ranks of a tensor group.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "bound/affine.h"
#include "bound/tensor/group.h"
#include "bound/tensor/row_exchange.h"
#include "bound/tensor/slice.h"

namespace coronet::bound {

/// `share` makes this rank's outputs of the whole inputs, filled up (Slice::padded): it has its
/// part of the weights and no more. Pull adds up what the ranks' outputs give to each input
/// and leaves each rank its own, push gathers the inputs first; both in blocks of rows, so that
/// whole nodes are never held for all rows of a chunk. An input that every rank has whole
/// (Slice::everywhere) is left whole by pull and need not be gathered.
template <class T>
class AffineShared final : public Affine<T> {
 public:
  /// in: of each input. `rows`: of the device that `share` works on; columns are the host's. Refers
  /// to the group.
  AffineShared(std::shared_ptr<const Affine<T>> share, std::vector<Slice> in, TensorGroup& group,
               std::shared_ptr<RowExchange<T>> rows)
      : share_(std::move(share)), in_(std::move(in)), group_(group), rows_(std::move(rows)) {}

  bool windowed() const override { return share_->windowed(); }
  Extent reach(const Extent& out, int k) const override {
    Extent e = share_->reach(out, k);
    e.shape = in_[k].mine();
    return e;
  }

  void pull(const RowSet& rows, const T* a, const Extent& out, int k, T* u, const Extent& in,
            bool accumulate) const override {
    const Extent whole = whole_of(in, k);
    blocks(rows.count, whole.size(), [&](int first, int count) {
      T* sums = products(count, k, whole, at(u, first, in), accumulate);
      share_->pull(part(rows, first, count), at(a, first, out), out, k, sums, whole, false);
      add_up(count, k, in, sums, at(u, first, in), accumulate);
    });
  }

  bool pull_selection(int count, const int* neuron, const T* sign, T* u,
                      double* bias) const override {
    const Extent in = Extent::all(in_[0].mine());
    const Extent whole = whole_of(in, 0);
    bool can = true;
    blocks(count, whole.size(), [&](int first, int n) {
      T* rows = products(n, 0, whole, at(u, first, in), false);
      can = can && share_->pull_selection(n, after(neuron, first), after(sign, first), rows,
                                          after(bias, first));
      if (can) add_up(n, 0, in, rows, at(u, first, in), false);
    });
    return can;
  }

  void push(const RowSet& rows, const T* const* x, const Extent* const* in, T* y,
            const Extent& out) const override {
    const int inputs = static_cast<int>(in_.size());
    std::vector<Extent> whole;
    std::vector<const Extent*> extents;
    std::size_t width = 0;
    for (int k = 0; k < inputs; ++k) {
      const int n = whole.emplace_back(whole_of(*in[k], k)).size();
      if (!in_[k].everywhere()) width += n;
    }
    for (const Extent& e : whole) extents.push_back(&e);
    std::vector<const T*> values(inputs);
    blocks(rows.count, width, [&](int first, int count) {
      for (int k = 0; k < inputs; ++k) {
        if (in_[k].everywhere()) {
          values[k] = at(x[k], first, *in[k]);
          continue;
        }
        const std::size_t n = static_cast<std::size_t>(count) * whole[k].size();
        T* to = rows_->room(k, n);
        rows_->gather(places(count, k, *in[k]), in_[k].each(), at(x[k], first, *in[k]), to);
        values[k] = to;
      }
      share_->push(part(rows, first, count), values.data(), extents.data(), at(y, first, out), out);
    });
  }

  void bias(const RowSet& rows, const T* a, const Extent& out, double* bias) const override {
    share_->bias(rows, a, out, bias);
  }
  double bias_of(int element) const override { return share_->bias_of(element); }

  void apply(const double* const* u, double* y, Workers* workers) const override {
    share_->apply(columns(u).data(), y, workers);
  }
  void apply_abs(const double* const* u, double* y, Workers* workers) const override {
    share_->apply_abs(columns(u).data(), y, workers);
  }

  double hidden(int element) const override { return share_->hidden(element); }
  /// A sum over the ranks' outputs is one of their own and then one over the ranks.
  int terms() const override { return share_->terms() + group_.size() + 1; }
  std::size_t bytes() const override { return share_->bytes(); }

 private:
  /// The same window of all channels.
  [[nodiscard]] Extent whole_of(Extent in, int k) const {
    in.shape = in_[k].padded();
    return in;
  }
  [[nodiscard]] std::size_t places(int rows, int k, const Extent& in) const {
    return static_cast<std::size_t>(rows) * (in.size() / in_[k].each());
  }
  static RowSet part(const RowSet& rows, int first, int count) {
    return {count, after(rows.start_y, first), after(rows.start_x, first)};
  }
  template <class V>
  static V* at(V* values, int row, const Extent& e) {
    return after(values, static_cast<std::size_t>(row) * e.size());
  }

  /// fn(first, count) over rows of `width` numbers in all that are held whole.
  template <class Fn>
  void blocks(int rows, std::size_t width, const Fn& fn) const {
    const int most = rows_->block_rows(width * sizeof(T), windowed() ? 1 : TensorGroup::kLeastRows);
    for (int first = 0; first < rows; first += most) fn(first, std::min(most, rows - first));
  }

  /// Where this rank's products for input k go before they are added up.
  T* products(int rows, int k, const Extent& whole, T* u, bool accumulate) const {
    if (in_[k].everywhere() && !accumulate) return u;
    return rows_->room(0, static_cast<std::size_t>(rows) * whole.size());
  }
  void add_up(int rows, int k, const Extent& in, T* products, T* u, bool accumulate) const {
    if (!in_[k].everywhere()) {
      rows_->scatter_sum(places(rows, k, in), in_[k].each(), products, u, accumulate);
    } else {
      rows_->sum(static_cast<std::size_t>(rows) * in.size(), products, u, accumulate);
    }
  }

  [[nodiscard]] std::vector<const double*> columns(const double* const* u) const {
    std::vector<const double*> whole;
    for (int k = 0; k < static_cast<int>(in_.size()); ++k) {
      if (in_[k].everywhere()) {
        whole.push_back(u[k]);
        continue;
      }
      double* to = group_.room<double>(k, in_[k].padded().size());
      group_.gather(in_[k].pixels(), in_[k].each(), u[k], to);
      whole.push_back(to);
    }
    return whole;
  }

  std::shared_ptr<const Affine<T>> share_;
  std::vector<Slice> in_;
  TensorGroup& group_;
  std::shared_ptr<RowExchange<T>> rows_;
};

}  // namespace coronet::bound
