#include "search/clause_list.h"

#include <algorithm>
#include <cmath>

namespace coronet::search {

bound::RowList list_of(const std::vector<ClauseRows>& clauses, int last, int inputs) {
  bound::RowList list;
  list.node = last;
  const bool any_input = std::any_of(clauses.begin(), clauses.end(),
                                     [](const ClauseRows& c) { return !c.input.empty(); });
  for (const ClauseRows& c : clauses) {
    list.dense.insert(list.dense.end(), c.output.begin(), c.output.end());
    list.constant.insert(list.constant.end(), c.constant.begin(), c.constant.end());
    if (!any_input) continue;
    if (c.input.empty()) {
      list.input.resize(list.input.size() + static_cast<std::size_t>(c.count) * inputs, 0.0);
    } else {
      list.input.insert(list.input.end(), c.input.begin(), c.input.end());
    }
  }
  return list;
}

ClauseBounds bounds_of(const std::vector<ClauseRows>& clauses, const std::vector<double>& lower) {
  ClauseBounds found;
  int r = 0;
  for (const ClauseRows& c : clauses) {
    char refuted = 0;
    double best = -HUGE_VAL;
    int best_row = c.count > 0 ? r : 0;
    for (int i = 0; i < c.count; ++i, ++r) {
      if (std::isfinite(lower[r]) && refutes(lower[r], c.strict[i] != 0)) refuted = 1;
      if (i == 0 || lower[r] > best) {
        best = lower[r];
        best_row = r;
      }
    }
    found.refuted.push_back(refuted);
    found.best.push_back(best);
    found.best_row.push_back(best_row);
  }
  return found;
}

}  // namespace coronet::search
