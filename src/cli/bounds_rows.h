// The linear forms that `coronet bounds` bounds beside the nodes.
#pragma once

#include <vector>

#include "bound/root.h"
#include "cli/bounds_report.h"
#include "graph/graph.h"
#include "spec/property.h"

namespace coronet::cli {

/// Forms over the graph's own orders, with what is said of them.
struct Forms {
  bound::RowList list;
  std::vector<RowReport> rows;
  std::vector<char> strict;
};

/// Every constraint of every clause about this box: a positive bound refutes the clause.
Forms property_forms(const Graph& graph, const Property& property, int box);

/// Y_label - Y_j for every other j: positive bounds prove that the class stays.
Forms label_forms(const Graph& graph, int label);

/// Fills in the lower bounds: by the output's intervals for Method::kInterval, else by rows.
void bound_forms(bound::Context& context, const bound::Root& root, bound::Method method,
                 Forms& forms);

}  // namespace coronet::cli
