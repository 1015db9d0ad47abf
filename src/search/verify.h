// One query from start to verdict: attack, incomplete bounds, branch and bound.
#pragma once

#include "base/memory_ledger.h"
#include "base/options.h"
#include "base/progress.h"
#include "bound/ranks/leader.h"
#include "graph/graph.h"
#include "search/continuation.h"
#include "search/oracle.h"
#include "spec/property.h"
#include "spec/result.h"

namespace coronet::search {

/// `evaluate` is the network as written, in intervals: the judge of counterexamples. `ranks`: share
/// in bounding rows, where there are several; null for one. `ledger`: counts what this rank holds;
/// null: nobody does. Throws Error where a setting is malformed or the checkpoint to go on from
/// does not fit.
Result verify(const Graph& graph, const Property& property, const Evaluate& evaluate,
              const Options& options, Tracer& tracer, Continuation continuation = {},
              bound::Ranks* ranks = nullptr, MemoryLedger* ledger = nullptr);

}  // namespace coronet::search
