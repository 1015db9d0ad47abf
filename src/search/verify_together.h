// One query by ranks that share the neurons: an attack, bounds of the root, and of halves of its
// box where there are few inputs. Neurons are not split.
#pragma once

#include "base/options.h"
#include "base/progress.h"
#include "bound/tensor/run.h"
#include "graph/graph.h"
#include "search/oracle.h"
#include "spec/property.h"
#include "spec/result.h"

namespace coronet::search {

/// As rank 0, whose part `run` is; the others answer its queries. `graph` is the whole one, its
/// weights anywhere: they are read tile by tile by the attack, which is this rank's alone.
/// `evaluate`: as verify() has it. `unsat` where bounds refute the clauses of every box: of the
/// whole box, as far as the options' method and iterations go, or of all its parts; otherwise
/// `unknown`, unless a point was found.
Result verify_together(bound::TensorRun& run, const Graph& graph, const Property& property,
                       const Evaluate& evaluate, const Options& options, Tracer& tracer);

}  // namespace coronet::search
