// A plan as text and as JSON.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "graph/graph.h"
#include "plan/run_plan.h"
#include "plan/search_plan.h"

namespace coronet::cli {

struct PlanReport {
  const Graph& graph;
  const plan::Question& question;
  plan::RunPlan plan;
  std::optional<plan::SearchPlan> search;  ///< of `coronet verify`
};

/// Tables of the weights, of what is held in each phase by class, and of what ranks tell each
/// other; what is known of domains.
std::string plan_text(const PlanReport& report);

/// "mesh", "weights", "peak_bytes", "seconds", "placement" [weights], "phases" with "bytes" by
/// class, "transfers" and "seconds", "search". `extra`: of the run.
std::string plan_json(const PlanReport& report, const std::map<std::string, std::string>& extra);

}  // namespace coronet::cli
