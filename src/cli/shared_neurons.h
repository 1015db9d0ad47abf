// `coronet bounds` on ranks that share the neurons of every node: --mesh tensor=T.
#pragma once

#include <string>

#include "base/options.h"
#include "bound/tensor/run.h"
#include "cli/bounds_rows.h"
#include "comm/channel.h"
#include "graph/graph.h"
#include "search/spec.h"
#include "spec/mesh.h"

namespace coronet::cli {

/// As any rank but 0: reads the network, keeps its share, and bounds with the others.
void serve_neurons(comm::Channel& channel, const Mesh& mesh, const std::string& path,
                   const Options& options);

/// As rank 0: bounds of the graph's nodes over the box and of the forms, with the others. Takes the
/// weights out of the graph.
bound::FoundBounds bound_shared(comm::Channel& channel, const Mesh& mesh, Graph& graph,
                                const search::GraphBox& box, const Forms& forms,
                                const Options& options);

/// "each rank's share: weights 12.5 to 12.6 MiB, buffers 3 to 3 MiB; 12 to 15 % of its time spent
/// on telling the others", with a final newline; empty for no shares.
std::string share_words(const std::vector<bound::TensorReport>& shares,
                        const std::vector<RankReport>& ranks);

}  // namespace coronet::cli
