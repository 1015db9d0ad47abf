#include "search/spec.h"

#include "bound/bounds.h"

namespace coronet::search {

namespace {

std::vector<int> inverse(const std::vector<int>& order) {
  std::vector<int> at(order.size());
  for (std::size_t i = 0; i < order.size(); ++i) at[order[i]] = static_cast<int>(i);
  return at;
}

}  // namespace

ClauseRows make_clause_rows(const Graph& graph, const Property& property, int clause) {
  const Clause& from = property.clauses[clause];
  const std::vector<int> input_at = inverse(graph.input_order);
  const std::vector<int> output_at = inverse(graph.output_order);
  ClauseRows rows;
  rows.clause = clause;
  rows.box = from.box;
  rows.count = static_cast<int>(from.constraints.size());
  rows.output.assign(static_cast<std::size_t>(rows.count) * graph.outputs(), 0.0);
  bool any_input = false;
  for (const Constraint& c : from.constraints) any_input |= !c.inputs.empty();
  if (any_input) rows.input.assign(static_cast<std::size_t>(rows.count) * graph.inputs(), 0.0);
  for (int i = 0; i < rows.count; ++i) {
    const Constraint& c = from.constraints[i];
    for (const Term& t : c.outputs) {
      rows.output[static_cast<std::size_t>(i) * graph.outputs() + output_at[t.index]] +=
          t.coefficient;
    }
    for (const Term& t : c.inputs) {
      rows.input[static_cast<std::size_t>(i) * graph.inputs() + input_at[t.index]] += t.coefficient;
    }
    rows.constant.push_back(c.constant);
    rows.strict.push_back(c.strict ? 1 : 0);
  }
  return rows;
}

int GraphBox::free_dimensions() const {
  int count = 0;
  for (std::size_t i = 0; i < lower.size(); ++i) count += lower[i] < upper[i];
  return count;
}

GraphBox make_graph_box(const Graph& graph, const Box& box) {
  GraphBox g;
  for (int i : graph.input_order) {
    g.lower.push_back(box.lower[i]);
    g.upper.push_back(box.upper[i]);
  }
  return g;
}

GraphBox around(GraphBox box) {
  for (double& x : box.lower) x = bound::down(x);
  for (double& x : box.upper) x = bound::up(x);
  return box;
}

}  // namespace coronet::search
