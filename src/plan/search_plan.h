// What `coronet verify` will hold beyond the bounds of its root: the attack, open domains, batches.
#pragma once

#include <cstdint>

#include "graph/graph.h"
#include "plan/run_plan.h"
#include "search/forecast.h"

namespace coronet::plan {

struct SearchQuestion {
  search::SearchToCome run;
  std::uint64_t open = 10000;  ///< open domains of a rank
};

struct SearchPlan {
  int batch = 0;                  ///< domains that a worker takes at a time
  std::uint64_t domain = 0;       ///< bytes of an open one
  std::uint64_t domain_most = 0;  ///< if all neurons were unstable
  std::uint64_t open = 0;         ///< that were planned
  /// Open domains that the search may keep on all ranks together: in half of the leader's memory,
  /// and in what the leader's other classes leave of it.
  std::uint64_t fit = 0;
  double domains_a_second = 0;  ///< of a rank
};

/// Makes the plan of a run that shares rows that of `coronet verify`: its last phase, the rows, is
/// called "root" and holds what an attack, CROWN and alpha-CROWN take, and a phase "search"
/// follows, of branch and bound over neurons. Throws Error(kOutOfMemory) where that takes more than
/// question.memory.
SearchPlan add_search(RunPlan& plan, const Graph& graph, const Question& question,
                      const SearchQuestion& asked);

}  // namespace coronet::plan
