// What ranks tell each other about rows, as bytes.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "bound/optimise.h"
#include "comm/packet.h"

namespace coronet::bound {

// What is read fits the graph, or Error(kInternal) is thrown: every index and every size is in its
// range, a neuron's upper bound is not below its lower one, and lines are of their node's kind. The
// numbers themselves are the other rank's, which runs the same program.

/// What rows of node `node` and below need of a root.
void put_root(comm::Writer& writer, const Root& root, int node);
Root get_root(comm::Reader& reader, const Graph& graph, int node);

/// The same of roots of one graph that are told one after the other, as lists of rows are bounded
/// for node after node: a node that is as it was told last is not told again. This is the side of
/// who tells, and keeps what it told.
class RootTold {
 public:
  void put(comm::Writer& writer, const Root& root, int node);
  /// What it keeps.
  [[nodiscard]] std::size_t bytes() const;

 private:
  std::vector<comm::Bytes> nodes_;  // empty: never told
};
/// The side of who hears all that the other puts, and keeps what was not told anew.
class RootHeard {
 public:
  /// Valid until the next call; where it throws, nothing more can be heard.
  const Root& get(comm::Reader& reader, const Graph& graph, int node);
  [[nodiscard]] Root take() { return std::move(root_); }

 private:
  Root root_;
};

/// Of all nodes.
void put_bounds(comm::Writer& writer, const Bounds& bounds);
Bounds get_bounds(comm::Reader& reader, const Graph& graph);

void put_list(comm::Writer& writer, const RowList& list);
RowList get_list(comm::Reader& reader, const Graph& graph);

void put_settings(comm::Writer& writer, const OptimiseSettings& settings);
OptimiseSettings get_settings(comm::Reader& reader);

void put_rows(comm::Writer& writer, const RowBounds& rows);
/// Rows first .. last - 1 of all that `all` has room for, which they are read into.
void get_rows(comm::Reader& reader, int first, int last, RowBounds& all);

}  // namespace coronet::bound
