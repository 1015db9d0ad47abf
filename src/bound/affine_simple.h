// The affine operators without products of their own size: Scale, Sum, Select.
#pragma once

#include <cmath>
#include <vector>

#include "base/aligned.h"
#include "bound/affine.h"

namespace coronet::bound {

/// Zeroes what `part` does not cover of rows that hold `all`, where the two differ.
template <class T>
inline void clear_unless_same(const RowSet& rows, const Extent& part, T* u, const Extent& all) {
  if (part == all && part.whole) return;
  std::fill(u, u + static_cast<std::size_t>(rows.count) * all.size(), T(0));
}

/// y_i = scale_i u_i + shift_i
template <class T>
class AffineScale final : public Affine<T> {
 public:
  AffineScale(const Scale& op, int size) : op_(op), size_(size) {
    scale_.assign(op.scale.begin(), op.scale.end());
    shift_.assign(op.shift.begin(), op.shift.end());
  }
  bool windowed() const override { return true; }
  Extent reach(const Extent& out, int) const override { return out; }

  void pull(const RowSet& rows, const T* a, const Extent& out, int, T* u, const Extent& in,
            bool accumulate) const override {
    if (!accumulate) clear_unless_same(rows, out, u, in);
    each(rows, a, out, u, in, [&](const T* from, T* to, int node, int n) {
      int k = node % period();
      if (accumulate) {
        for (int i = 0; i < n; ++i, k = next(k)) to[i] += scale_[k] * from[i];
      } else {
        for (int i = 0; i < n; ++i, k = next(k)) to[i] = scale_[k] * from[i];
      }
    });
  }

  void push(const RowSet& rows, const T* const* x, const Extent* const* in, T* y,
            const Extent& out) const override {
    clear_unless_same(rows, out, y, out);
    const std::size_t size = in[0]->size();
    for (int r = 0; r < rows.count; ++r) {
      for_each_run(
          out, rows, r,
          [&](int offset, int node, int n) {
            T* to = y + static_cast<std::size_t>(r) * out.size() + offset;
            const T* from = x[0] + r * size + offset_in(*in[0], rows, r, node);
            int k = node % period();
            for (int i = 0; i < n; ++i, k = next(k)) to[i] = scale_[k] * from[i] + shift_[k];
          },
          [](int, int) {});
    }
  }

  void bias(const RowSet& rows, const T* a, const Extent& out, double* bias) const override {
    for (int r = 0; r < rows.count; ++r) {
      T sum = 0;
      for_each_run(
          out, rows, r,
          [&](int offset, int node, int n) {
            const T* from = a + static_cast<std::size_t>(r) * out.size() + offset;
            int k = node % period();
            for (int i = 0; i < n; ++i, k = next(k)) sum += from[i] * shift_[k];
          },
          [](int, int) {});
      bias[r] += sum;
    }
  }
  double bias_of(int element) const override { return op_.shift[element % period()]; }

  void apply(const double* const* u, double* y, Workers* workers) const override {
    for (int i = 0; i < size_; ++i)
      y[i] = op_.scale[i % period()] * u[0][i] + op_.shift[i % period()];
  }
  void apply_abs(const double* const* u, double* y, Workers* workers) const override {
    for (int i = 0; i < size_; ++i) y[i] = std::fabs(op_.scale[i % period()]) * u[0][i] + hidden(i);
  }
  double hidden(int element) const override { return hidden_of(op_.precision, element); }
  int terms() const override { return size_ + 2 + op_.precision.roundings; }

 private:
  [[nodiscard]] int period() const { return static_cast<int>(scale_.size()); }
  [[nodiscard]] int next(int k) const { return k + 1 == period() ? 0 : k + 1; }

  template <class Fn>
  void each(const RowSet& rows, const T* a, const Extent& out, T* u, const Extent& in,
            Fn&& fn) const {
    for (int r = 0; r < rows.count; ++r) {
      for_each_run(
          out, rows, r,
          [&](int offset, int node, int n) {
            fn(a + static_cast<std::size_t>(r) * out.size() + offset,
               u + static_cast<std::size_t>(r) * in.size() + offset_in(in, rows, r, node), node, n);
          },
          [](int, int) {});
    }
  }

  const Scale& op_;
  int size_;
  AlignedVector<T> scale_;
  AlignedVector<T> shift_;
};

/// y = sum_k coefficient_k u_k
template <class T>
class AffineSum final : public Affine<T> {
 public:
  AffineSum(const Sum& op, int size) : op_(op), size_(size) {}
  bool windowed() const override { return true; }
  Extent reach(const Extent& out, int) const override { return out; }

  void pull(const RowSet& rows, const T* a, const Extent& out, int k, T* u, const Extent& in,
            bool accumulate) const override {
    if (!accumulate) clear_unless_same(rows, out, u, in);
    const T c = static_cast<T>(op_.coefficient[k]);
    for (int r = 0; r < rows.count; ++r) {
      for_each_run(
          out, rows, r,
          [&](int offset, int node, int n) {
            const T* from = a + static_cast<std::size_t>(r) * out.size() + offset;
            T* to = u + static_cast<std::size_t>(r) * in.size() + offset_in(in, rows, r, node);
            if (accumulate) {
              for (int i = 0; i < n; ++i) to[i] += c * from[i];
            } else {
              for (int i = 0; i < n; ++i) to[i] = c * from[i];
            }
          },
          [](int, int) {});
    }
  }

  void push(const RowSet& rows, const T* const* x, const Extent* const* in, T* y,
            const Extent& out) const override {
    clear_unless_same(rows, out, y, out);
    for (std::size_t k = 0; k < op_.coefficient.size(); ++k) {
      const T c = static_cast<T>(op_.coefficient[k]);
      for (int r = 0; r < rows.count; ++r) {
        for_each_run(
            out, rows, r,
            [&](int offset, int node, int n) {
              T* to = y + static_cast<std::size_t>(r) * out.size() + offset;
              const T* from = x[k] + static_cast<std::size_t>(r) * in[k]->size() +
                              offset_in(*in[k], rows, r, node);
              if (k == 0) {
                for (int i = 0; i < n; ++i) to[i] = c * from[i];
              } else {
                for (int i = 0; i < n; ++i) to[i] += c * from[i];
              }
            },
            [](int, int) {});
      }
    }
  }

  void bias(const RowSet&, const T*, const Extent&, double*) const override {}
  double bias_of(int) const override { return 0; }

  void apply(const double* const* u, double* y, Workers* workers) const override {
    combine(u, y, false);
  }
  void apply_abs(const double* const* u, double* y, Workers* workers) const override {
    combine(u, y, true);
  }
  int terms() const override { return static_cast<int>(op_.coefficient.size()) + 2; }

 private:
  void combine(const double* const* u, double* y, bool absolute) const {
    for (int i = 0; i < size_; ++i) {
      double sum = 0;
      for (std::size_t k = 0; k < op_.coefficient.size(); ++k) {
        const double c = op_.coefficient[k];
        sum += (absolute ? std::fabs(c) : c) * u[k][i];
      }
      y[i] = sum;
    }
  }
  const Sum& op_;
  int size_;
};

/// y_i = one element of the inputs, or a constant.
template <class T>
class AffineSelect final : public Affine<T> {
 public:
  AffineSelect(const Select& op, std::vector<Shape> in) : op_(op), in_(std::move(in)) {
    int first = 0;
    for (const Shape& s : in_) {
      first_.push_back(first);
      first += s.size();
    }
    first_.push_back(first);
    // The entries of each input, so that no pass searches for them.
    entries_.resize(in_.size());
    for (int i = 0; i < static_cast<int>(op.index.size()); ++i) {
      if (op.index[i] < 0) continue;
      int k = 0;
      while (op.index[i] >= first_[k + 1]) ++k;
      entries_[k].push_back({i, op.index[i] - first_[k]});
    }
    constant_.assign(op.constant.begin(), op.constant.end());
  }
  Extent reach(const Extent&, int k) const override { return Extent::all(in_[k]); }

  void pull(const RowSet& rows, const T* a, const Extent& out, int k, T* u, const Extent& in,
            bool accumulate) const override {
    const std::size_t n = in.size();
    const std::size_t m = out.size();
    if (!accumulate) std::fill(u, u + rows.count * n, T(0));
    for (int r = 0; r < rows.count; ++r) {
      for (const Entry& e : entries_[k]) u[r * n + e.from] += a[r * m + e.to];
    }
  }

  void push(const RowSet& rows, const T* const* x, const Extent* const* in, T* y,
            const Extent& out) const override {
    const std::size_t m = out.size();
    for (int r = 0; r < rows.count; ++r) {
      T* row = y + r * m;
      if (constant_.empty()) {
        std::fill(row, row + m, T(0));
      } else {
        std::copy(constant_.begin(), constant_.end(), row);
      }
      for (std::size_t k = 0; k < in_.size(); ++k) {
        const T* from = x[k] + static_cast<std::size_t>(r) * in[k]->size();
        for (const Entry& e : entries_[k]) row[e.to] += from[e.from];
      }
    }
  }

  void bias(const RowSet& rows, const T* a, const Extent& out, double* bias) const override {
    if (constant_.empty()) return;
    const std::size_t m = out.size();
    for (int r = 0; r < rows.count; ++r) {
      T sum = 0;
      for (std::size_t i = 0; i < m; ++i) sum += a[r * m + i] * constant_[i];
      bias[r] += sum;
    }
  }
  double bias_of(int element) const override {
    return op_.constant.empty() ? 0 : op_.constant[element];
  }

  void apply(const double* const* u, double* y, Workers* workers) const override {
    apply_abs(u, y, workers);
    for (std::size_t i = 0; i < op_.constant.size(); ++i) y[i] += op_.constant[i];
  }
  void apply_abs(const double* const* u, double* y, Workers* workers) const override {
    std::fill(y, y + op_.index.size(), 0.0);
    for (std::size_t k = 0; k < in_.size(); ++k) {
      for (const Entry& e : entries_[k]) y[e.to] += u[k][e.from];
    }
  }
  int terms() const override {
    return static_cast<int>(op_.index.size()) + 2 + op_.precision.roundings;
  }
  std::size_t bytes() const override { return op_.index.size() * sizeof(Entry); }

 private:
  struct Entry {
    int to;
    int from;
  };
  const Select& op_;
  std::vector<Shape> in_;
  std::vector<int> first_;
  std::vector<std::vector<Entry>> entries_;
  AlignedVector<T> constant_;
};

}  // namespace coronet::bound
