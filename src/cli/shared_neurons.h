// Ranks that share the neurons of every node: --mesh tensor=T.
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

/// This program's part in a run of such ranks; takes the weights out of the graph.
bound::TensorRun join_neurons(comm::Channel& channel, const Mesh& mesh, Graph& graph,
                              const Options& options);

/// As any rank but 0: reads its share of the network and bounds with the others, as long as rank 0
/// asks.
void serve_neurons(comm::Channel& channel, const Mesh& mesh, const std::string& path,
                   const Options& options);

/// As rank 0: bounds of the graph's nodes over the box and of the forms, with the others. Takes the
/// weights out of the graph.
bound::FoundBounds bound_shared(comm::Channel& channel, const Mesh& mesh, Graph& graph,
                                const search::GraphBox& box, const Forms& forms,
                                const Options& options);

/// "each rank's share: weights 12.5 to 12.6 MiB, buffers 3.0 to 3.0 MiB; 40.0 to 41.0 MiB told the
/// others; 1.2 to 1.5 s of its threads' 9.0 to 9.1 s to tell them and to wait for them", with a
/// final newline; empty for no shares.
std::string share_words(const bound::FoundBounds& found);

}  // namespace coronet::cli
