// Affine operators of networks without numbers (counting.h).
#pragma once

#include <memory>
#include <utility>

#include "bound/affine.h"

namespace coronet::bound {

/// Says what an operator reaches, and multiplies nothing.
template <class T>
class CountedAffine final : public Affine<T> {
 public:
  explicit CountedAffine(std::unique_ptr<Affine<T>> of) : of_(std::move(of)) {}
  bool windowed() const override { return of_->windowed(); }
  Extent reach(const Extent& out, int k) const override { return of_->reach(out, k); }
  void pull(const RowSet&, const T*, const Extent&, int, T*, const Extent&, bool) const override {}
  bool pull_selection(int, const int*, const T*, T*, double*) const override {
    return of_->pull_selection(0, nullptr, nullptr, nullptr, nullptr);
  }
  void push(const RowSet&, const T* const*, const Extent* const*, T*,
            const Extent&) const override {}
  void bias(const RowSet&, const T*, const Extent&, double*) const override {}
  double bias_of(int) const override { return 0; }
  void apply(const double* const*, double*, Workers*) const override {}
  void apply_abs(const double* const*, double*, Workers*) const override {}
  int terms() const override { return 0; }
  std::size_t bytes() const override { return of_->bytes(); }

 private:
  std::unique_ptr<Affine<T>> of_;
};

}  // namespace coronet::bound
