// What the command line asks a plan for.
#pragma once

#include <cstdint>
#include <vector>

#include "base/options.h"
#include "plan/run_plan.h"

namespace coronet::cli {

/// --mesh auto: the planner says where the weights are.
bool planned(const Options& options);

/// Of ranks that share rows; without --memory a rank may have 80 % of this machine's. The numbers
/// of forms are the caller's.
plan::Question plan_question(const Options& options, int ranks);

/// Those that --weights leaves open: one word, or all for auto. GPUs are not planned: with one,
/// auto leaves the weights whole. Throws Error(kBadInput) for other words.
std::vector<plan::Place> places_of(const Options& options);

}  // namespace coronet::cli
