// Whether domains and boxes that came from elsewhere, a file or another rank, are of the search
// that they are to go on with.
#pragma once

#include <cstddef>
#include <type_traits>
#include <vector>

#include "search/domain.h"
#include "search/input_tree.h"
#include "search/spec.h"

namespace coronet::search {

/// What domains of a search may speak of.
struct DomainSpace {
  DomainSpace() = default;
  /// constraints: [objectives] of each; free: [nodes] the unstable neurons that may be split,
  /// ascending.
  DomainSpace(std::vector<int> constraints, std::vector<std::vector<int>> free);

  /// What cannot be; null: every index is in its range, and every number is one.
  [[nodiscard]] const char* misfit(const Domain& domain) const;

  std::vector<int> constraints;
  std::vector<std::vector<int>> free;
  std::size_t slopes = 0;  ///< of a domain that has any
};

/// What boxes of a search may speak of.
struct BoxSpace {
  /// As above: every box lies in that of its clauses, too.
  [[nodiscard]] const char* misfit(const BoxDomain& box) const;

  std::vector<int> box;         ///< [clauses of the property] the clause's box; -1: not asked for
  std::vector<GraphBox> boxes;  ///< of the property
};

template <class Item>
using SpaceOf = std::conditional_t<std::is_same_v<Item, Domain>, DomainSpace, BoxSpace>;

/// Is the list ascending, each number at least 0 and below `end`?
bool ascending_below(const std::vector<int>& list, int end);

}  // namespace coronet::search
