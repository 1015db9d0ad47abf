// Domains as the flat arrays that a device takes, and back, over the workers.
#pragma once

#include <vector>

#include "base/parallel.h"
#include "bound/domain_rows.h"
#include "search/batch.h"

namespace coronet::search {

/// A row: the domain, with the phase of its split where that is not 0.
struct Child {
  const Domain* domain = nullptr;
  float phase = 0;
};

/// One batch at a time; its arrays are kept for the next.
template <class T>
class FlatBatch {
 public:
  explicit FlatBatch(const Layout& layout) : layout_(layout) {}

  /// Row r is children[r], whose domains stay where they are until unpack().
  void pack(Workers& workers, std::vector<Child> children);
  [[nodiscard]] bound::FlatDomains<T>& flat() { return flat_; }
  /// The domains of all rows with what stands in the arrays now, and these bounds.
  [[nodiscard]] std::vector<Domain> unpack(Workers& workers, const std::vector<float>& bound) const;

 private:
  /// Calls fn(row, places) for all rows; places[node] is where the row's splits of that node begin,
  /// and is moved on by fn.
  template <class Fn>
  void for_rows(Workers& workers, const Fn& fn) const;
  void place_splits(Workers& workers);
  void pack_row(int r, std::vector<int>& places);
  Domain unpack_row(int r, std::vector<int>& places, float bound) const;

  const Layout& layout_;
  std::vector<Child> children_;
  std::size_t slopes_ = 0;  // of a row
  /// [tasks][nodes] where the splits of a task's rows begin
  std::vector<std::vector<int>> places_;
  bound::FlatDomains<T> flat_;
};

}  // namespace coronet::search
