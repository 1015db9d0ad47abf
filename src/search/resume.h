// Whether a checkpoint may be trusted with a question.
#pragma once

#include "base/options.h"
#include "graph/graph.h"
#include "search/checkpoint.h"
#include "spec/property.h"

namespace coronet::search {

Identity identity_of(const Graph& graph, const Property& property, const Options& options);

/// Throws Error(kBadInput) where the checkpoint is of another network, property or kind of search,
/// saying what differs, or where one of its numbers cannot be: every index is in its range and
/// every open box in the property's when this returns.
void check_fits(const Checkpoint& checkpoint, const Graph& graph, const Property& property,
                const Options& options);

}  // namespace coronet::search
