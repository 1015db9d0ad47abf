// Branch and bound over ReLUs with beta-CROWN (Wang et al. 2021): batches of domains are rows with
// splits.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bound/optimise.h"
#include "search/domain.h"
#include "search/oracle.h"
#include "search/spec.h"

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

/// Where a clause's tree starts: the multipliers and slopes of its best row at the root.
struct BranchStart {
  double bound = 0;
  std::vector<float> lambda;
  std::vector<AlignedVector<float>> alpha;  ///< [nodes], each [size(node)] or empty
};

/// From time to time, and never for more than a fifth of it, the open clauses are attacked.
/// Splits until every clause is refuted, the oracle is satisfied, or time or memory runs out.
/// clauses[k] starts at start[k].
BranchOutcome relu_branch(bound::Context& context, const bound::Root& root,
                          const std::vector<ClauseRows>& clauses,
                          const std::vector<BranchStart>& start, const std::vector<GraphBox>& boxes,
                          Oracle& oracle, const Deadline& deadline, std::size_t memory_bytes);

}  // namespace coronet::search
