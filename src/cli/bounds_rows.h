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

/// How forms are bounded by rows.
bound::OptimiseSettings form_settings(const Options& options, bound::Method method);
/// Lower bounds of the forms by the intervals of the outputs.
std::vector<double> interval_forms(const bound::Bounds& bounds, const Forms& forms);
/// By those intervals for Method::kInterval, else by rows.
std::vector<double> bound_forms(bound::Context& context, const bound::Root& root,
                                bound::Method method, const Forms& forms);
/// Fills in what is said of the forms with these lower bounds.
void note_bounds(const std::vector<double>& lower, Forms& forms);

}  // namespace coronet::cli
