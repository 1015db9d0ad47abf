// Bounds of all nodes, in words, JSON and NPZ.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/options.h"
#include "bound/tensor/run.h"
#include "graph/graph.h"

namespace coronet::cli {

/// The lower bound of one linear form over the box.
struct RowReport {
  int clause = -1;   ///< of the property, or -1
  std::string form;  ///< "Y_3 - Y_0 + 0.5": what is bounded
  double lower = 0;
  bool proves = false;  ///< does the bound alone refute its clause?
};

struct BoundsReport {
  const Graph& graph;
  const bound::FoundBounds& found;
  std::vector<RowReport> rows;
  int box = 0;
};

/// Unstable ReLUs of node v: those whose input has bounds of both signs; 0 for other nodes.
std::int64_t unstable(const Graph& graph, const bound::Bounds& bounds, int v);

std::string bounds_table(const BoundsReport& report);
std::string bounds_json(const BoundsReport& report, const Options& options,
                        const std::map<std::string, std::string>& extra);
/// lo_0, hi_0, lo_1, ...: each node's bounds in graph order ([height, width, channels] for images);
/// input_order, output_order: element i of the graph is X or Y number order[i]; rows: lower bounds.
void save_npz(const BoundsReport& report, const std::string& path);

}  // namespace coronet::cli
