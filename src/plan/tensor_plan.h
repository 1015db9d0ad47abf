// The plan of a run whose ranks share the neurons of every node: --mesh tensor=T.
#pragma once

#include "graph/graph.h"
#include "plan/run_plan.h"

namespace coronet::plan {

/// Of question.tensor ranks that share neurons, in question.ranks / question.tensor groups that
/// rows are dealt to. What is said between ranks is thought hidden behind nothing (docs/plan.md).
/// Reads no weights but those of convolutions. Throws Error(kBadInput) for more zones than there
/// are.
RunPlan make_tensor_plan(const Graph& graph, const Question& question);

}  // namespace coronet::plan
