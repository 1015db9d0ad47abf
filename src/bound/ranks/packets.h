// What ranks tell each other about rows, as bytes.
#pragma once

#include "bound/optimise.h"
#include "comm/packet.h"

namespace coronet::bound {

/// What rows of node `node` and below need of a root.
void put_root(comm::Writer& writer, const Root& root, int node);
/// Of a graph with so many nodes.
Root get_root(comm::Reader& reader, int nodes);

void put_bounds(comm::Writer& writer, const Bounds& bounds);
Bounds get_bounds(comm::Reader& reader, const Graph& graph);

void put_list(comm::Writer& writer, const RowList& list);
RowList get_list(comm::Reader& reader);

void put_rows(comm::Writer& writer, const RowBounds& rows);
RowBounds get_rows(comm::Reader& reader);

}  // namespace coronet::bound
