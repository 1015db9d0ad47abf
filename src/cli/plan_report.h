// A plan as text and as JSON.
#pragma once

#include <map>
#include <string>

#include "graph/graph.h"
#include "plan/run_plan.h"

namespace coronet::cli {

/// Tables of the weights, of what is held in each phase by class, and of what ranks tell each
/// other.
std::string plan_text(const Graph& graph, const plan::Question& question,
                      const plan::RunPlan& plan);

/// "mesh", "weights", "peak_bytes", "seconds", "placement" [weights], "phases" with "bytes" by
/// class, "transfers" and "seconds". `extra`: of the run.
std::string plan_json(const Graph& graph, const plan::Question& question, const plan::RunPlan& plan,
                      const std::map<std::string, std::string>& extra);

}  // namespace coronet::cli
