// Domains as the flat arrays that a device takes, and back, over the workers.
#pragma once

#include <memory_resource>
#include <utility>
#include <vector>

#include "base/parallel.h"
#include "bound/domain_rows.h"
#include "search/batch.h"
#include "search/bounded.h"

namespace coronet::search {

/// One batch at a time; its arrays are kept for the next.
class FlatBatch {
 public:
  /// In such memory, which outlives it.
  FlatBatch(const Layout& layout, std::pmr::memory_resource& memory);

  /// Rows are the two children of each domain, or the domain itself where its split is not chosen.
  void pack(Workers& workers, std::vector<Domain> domains);
  [[nodiscard]] bound::FlatDomains& flat() { return flat_; }
  /// What the device left of the domains. They themselves go: they take memory, and the workers
  /// give it back sooner than one thread does.
  [[nodiscard]] Bounded unpack(Workers& workers, const bound::DomainBounds& bounds);
  /// The domains as they came, instead.
  [[nodiscard]] std::vector<Domain> release() { return std::exchange(domains_, {}); }

 private:
  /// A row: the domain, with its split in this phase where that is not 0.
  struct Child {
    Domain* domain;
    float phase;
    int row;
  };
  /// Where the next row stands, and its splits: [nodes].
  struct Place {
    int row = 0;
    std::vector<int> split;
  };
  /// Calls fn(child, place of its splits) for the children of one task's domains.
  template <class Fn>
  void for_children(int task, const Fn& fn);
  void place(Workers& workers);
  void pack_row(const Child& child, Place& place);
  [[nodiscard]] Domain unpack_row(const Child& child, Place& place) const;
  /// Free neurons that the row's window reaches.
  [[nodiscard]] std::size_t reached(int row) const;

  const Layout& layout_;
  std::vector<Domain> domains_;
  std::size_t slopes_ = 0;     // of a row
  std::vector<Place> places_;  // [tasks] where each begins
  bound::FlatDomains flat_;
};

}  // namespace coronet::search
