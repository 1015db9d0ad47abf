// An affine operator whose outputs are shared by the ranks of a tensor group.
#pragma once

#include <algorithm>
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
/// whole nodes are never held for all rows of a chunk, and while one block is multiplied what the
/// ranks tell each other of its neighbour is on its way. An input that every rank has whole
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
    (void)add_up(rows.count, k, in, u, accumulate, [&](const Block& b, T* products) {
      share_->pull(part(rows, b), at(a, b.first, out), out, k, products, whole, false);
      return true;
    });
  }

  bool pull_selection(int count, const int* neuron, const T* sign, T* u,
                      double* bias) const override {
    const Extent in = Extent::all(in_[0].mine());
    return add_up(count, 0, in, u, false, [&](const Block& b, T* products) {
      return share_->pull_selection(b.count, after(neuron, b.first), after(sign, b.first), products,
                                    after(bias, b.first));
    });
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
    const auto begin = [&](const Block& b, int k) {
      rows_->begin_gather(places(b.count, k, *in[k]), in_[k].each(), at(x[k], b.first, *in[k]));
    };
    std::vector<int> gathered;
    for (int k = 0; k < inputs; ++k) {
      if (!in_[k].everywhere()) gathered.push_back(k);
    }
    const bool ahead = gathered.size() == 1 && rows_->overlaps();
    std::vector<const T*> values(inputs);
    const std::vector<Block> all = blocks(rows.count, width);
    if (ahead && !all.empty()) begin(all.front(), gathered.front());
    for (std::size_t i = 0; i < all.size(); ++i) {
      const Block& b = all[i];
      if (ahead && i + 1 < all.size()) begin(all[i + 1], gathered.front());
      for (int k = 0; k < inputs; ++k) values[k] = at(x[k], b.first, *in[k]);
      for (const int k : gathered) {
        if (!ahead) begin(b, k);
        T* const to = rows_->room(k, static_cast<std::size_t>(b.count) * whole[k].size());
        rows_->end_gather(places(b.count, k, *in[k]), in_[k].each(), values[k], to);
        values[k] = to;
      }
      share_->push(part(rows, b), values.data(), extents.data(), at(y, b.first, out), out);
    }
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
  struct Block {
    int first, count;
  };
  static RowSet part(const RowSet& rows, const Block& b) {
    return {b.count, after(rows.start_y, b.first), after(rows.start_x, b.first)};
  }
  template <class V>
  static V* at(V* values, int row, const Extent& e) {
    return after(values, static_cast<std::size_t>(row) * e.size());
  }

  /// Of rows of `width` numbers in all that are held whole.
  [[nodiscard]] std::vector<Block> blocks(int rows, std::size_t width) const {
    const int most = rows_->block_rows(width * sizeof(T), windowed() ? 1 : TensorGroup::kLeastRows);
    std::vector<Block> all;
    for (int first = 0; first < rows; first += most) {
      all.push_back({first, std::min(most, rows - first)});
    }
    return all;
  }

  /// u = or += the sums over the ranks of what make(block, products) makes of whole rows of input
  /// k; false as soon as it cannot.
  template <class Make>
  bool add_up(int rows, int k, const Extent& in, T* u, bool accumulate, const Make& make) const {
    const Slice& slice = in_[k];
    const std::size_t width = whole_of(in, k).size();
    const auto end = [&](const Block& b) {
      rows_->end_scatter_sum(places(b.count, k, in), slice.each(), at(u, b.first, in), accumulate);
    };
    const Block* before = nullptr;
    const std::vector<Block> all = blocks(rows, width);
    bool can = true;
    for (const Block& b : all) {
      const std::size_t n = b.count * width;
      T* const mine = at(u, b.first, in);
      T* const products = slice.everywhere() && !accumulate ? mine : rows_->room(0, n);
      can = make(b, products);
      if (!can) break;
      if (slice.everywhere()) {
        rows_->sum(n, products, mine, accumulate);
        continue;
      }
      rows_->begin_scatter_sum(places(b.count, k, in), slice.each(), products);
      if (before != nullptr) end(*before);
      before = rows_->overlaps() ? &b : nullptr;
      if (before == nullptr) end(b);
    }
    if (before != nullptr) end(*before);
    return can;
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
