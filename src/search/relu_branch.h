// Branch and bound over ReLUs with beta-CROWN (Wang et al. 2021): batches of domains are rows with
// splits.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bound/context.h"
#include "bound/optimise.h"
#include "search/judge.h"
#include "search/spec.h"
#include "search/tree.h"
#include "search/turn.h"

namespace coronet::search {

struct BranchOutcome {
  bool refuted = false;              ///< every clause given is refuted
  std::string reason;                ///< why not, if neither refuted nor the judge satisfied
  std::vector<char> clause_refuted;  ///< one for each clause given
  std::vector<double> bound;         ///< least proved bound of each clause's open domains
  std::int64_t domains = 0;          ///< domains bounded
  std::int64_t open = 0;
  std::size_t bytes = 0;            ///< most that the open domains took
  std::vector<double> best_attack;  ///< least value that an attack reached, by clause
};

/// Splits the tree's open domains until every clause is refuted, the judge is satisfied, or time
/// or memory runs out; the tree keeps what is still open. From time to time, and never for more
/// than a fifth of it, the open clauses are attacked.
BranchOutcome relu_branch(bound::Context& context, const bound::Root& root,
                          const std::vector<ClauseRows>& clauses, Tree& tree,
                          const std::vector<GraphBox>& boxes, Judge& judge, const Turn& turn);

}  // namespace coronet::search
