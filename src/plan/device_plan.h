// Plans of runs whose ranks bound rows on a GPU each: the bytes are the GPU's.
#pragma once

#include <string>

#include "graph/graph.h"
#include "plan/run_plan.h"

namespace coronet::plan {

/// As make_run_plan(), for question.device. A plan that does not fit into question.memory is that
/// of the least chunks, and takes more.
RunPlan make_device_plan(const Graph& graph, const Question& question, Place place);

/// "fsdp takes 80.2 MiB of the GPU with the least chunks: weights 57.0 MiB, A 20.1 MiB"
std::string device_need_words(const RunPlan& plan);
/// What would help where nothing fits, by trying it.
std::string device_help_words(const Graph& graph, const Question& question);

}  // namespace coronet::plan
