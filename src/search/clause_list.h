// The constraints of clauses as one list of rows to be bounded.
#pragma once

#include <vector>

#include "bound/optimise.h"
#include "search/spec.h"

namespace coronet::search {

/// All constraints of the clauses, one clause after the other, over the graph's outputs (its node
/// `last`) and its `inputs` inputs.
bound::RowList list_of(const std::vector<ClauseRows>& clauses, int last, int inputs);

/// Which clauses the list's lower bounds refute, and the best bound of each.
struct ClauseBounds {
  std::vector<char> refuted;  ///< [clauses]
  std::vector<double> best;   ///< [clauses] -inf: nothing is known
  std::vector<int> best_row;  ///< [clauses] which of the list's rows it is of
};
ClauseBounds bounds_of(const std::vector<ClauseRows>& clauses, const std::vector<double>& lower);

}  // namespace coronet::search
