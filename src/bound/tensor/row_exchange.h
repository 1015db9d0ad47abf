// What ranks that share neurons do with rows, wherever these are.
#pragma once

#include <cstddef>
#include <span>

#include "bound/tensor/group.h"

namespace coronet::bound {

/// values + n, or null for null: those of networks without numbers (counting.h).
template <class T>
T* after(T* values, std::size_t n) {
  return values == nullptr ? nullptr : values + n;
}

/// Rows of T put together by the ranks of a tensor group: in the host's memory (HostRows) or in
/// that of a device each. All ranks call the same in the same order.
template <class T>
class RowExchange {
 public:
  virtual ~RowExchange() = default;

  /// As TensorGroup's.
  [[nodiscard]] virtual int block_rows(std::size_t row_bytes, int least) const = 0;
  virtual T* room(int number, std::size_t n) = 0;
  /// May one of these be on its way while this rank does something else? If not, each is ended as
  /// soon as it is begun.
  [[nodiscard]] virtual bool overlaps() const = 0;
  virtual void begin_gather(std::size_t places, int each, const T* share) = 0;
  virtual void end_gather(std::size_t places, int each, const T* share, T* whole) = 0;
  virtual void begin_scatter_sum(std::size_t places, int each, const T* whole) = 0;
  virtual void end_scatter_sum(std::size_t places, int each, T* share, bool accumulate) = 0;
  /// to[i] = or += the sum of the ranks' mine[i], which is spoilt unless it is `to`.
  virtual void sum(std::size_t n, T* mine, T* to, bool accumulate) = 0;
};

template <class T>
class HostRows final : public RowExchange<T> {
 public:
  /// Refers to the group.
  explicit HostRows(TensorGroup& group) : group_(group) {}
  [[nodiscard]] int block_rows(std::size_t row_bytes, int least) const override {
    return group_.block_rows(row_bytes, least);
  }
  T* room(int number, std::size_t n) override { return group_.room<T>(number, n); }
  [[nodiscard]] bool overlaps() const override { return true; }
  void begin_gather(std::size_t places, int each, const T* share) override {
    group_.begin_gather(places, each, share);
  }
  void end_gather(std::size_t places, int each, const T* share, T* whole) override {
    group_.end_gather(places, each, share, whole);
  }
  void begin_scatter_sum(std::size_t places, int each, const T* whole) override {
    group_.begin_scatter_sum(places, each, whole);
  }
  void end_scatter_sum(std::size_t places, int each, T* share, bool accumulate) override {
    group_.end_scatter_sum(places, each, share, accumulate);
  }
  void sum(std::size_t n, T* mine, T* to, bool accumulate) override {
    group_.sum(std::span<T>(mine, n));
    if (mine == to) return;
    for (std::size_t i = 0; i < n; ++i) to[i] = accumulate ? to[i] + mine[i] : mine[i];
  }

 private:
  TensorGroup& group_;
};

}  // namespace coronet::bound
