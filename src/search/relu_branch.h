// Branch and bound over ReLUs with beta-CROWN (Wang et al. 2021): batches of domains are rows with
// splits.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "bound/context.h"
#include "bound/optimise.h"
#include "search/oracle.h"
#include "search/spec.h"
#include "search/tree.h"

namespace coronet::search {

struct BranchOutcome {
  bool refuted = false;              ///< every clause given is refuted
  std::string reason;                ///< why not, if neither refuted nor the oracle satisfied
  std::vector<char> clause_refuted;  ///< one for each clause given
  std::vector<double> bound;         ///< least proved bound of each clause's open domains
  std::int64_t domains = 0;          ///< domains bounded
  std::int64_t open = 0;
  std::size_t bytes = 0;            ///< most that the open domains took
  std::vector<double> best_attack;  ///< least value that an attack reached, by clause
};

/// Called between rounds, when all that is open lies in the tree: so many domains were bounded.
using Between = std::function<void(std::int64_t domains)>;

/// Splits the tree's open domains until every clause is refuted, the oracle is satisfied, or time
/// or memory runs out; the tree keeps what is still open. From time to time, and never for more
/// than a fifth of it, the open clauses are attacked.
BranchOutcome relu_branch(bound::Context& context, const bound::Root& root,
                          const std::vector<ClauseRows>& clauses, Tree& tree,
                          const std::vector<GraphBox>& boxes, Oracle& oracle,
                          const Deadline& deadline, std::size_t memory_bytes,
                          const Between& between = nullptr);

}  // namespace coronet::search
