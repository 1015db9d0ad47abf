#include "bound/reduce.h"

#include <numeric>

namespace coronet::bound {

namespace {

/// ReLU nodes between dense layers: the input is a Dense read by nothing else, all readers are
/// Dense.
std::vector<char> between_dense(const Graph& graph) {
  const int n = static_cast<int>(graph.nodes.size());
  std::vector<int> readers(n, 0);
  std::vector<char> only_dense(n, 1);
  for (const Node& node : graph.nodes) {
    for (int u : node.inputs) {
      ++readers[u];
      if (!std::holds_alternative<Dense>(node.op)) only_dense[u] = 0;
    }
  }
  std::vector<char> candidate(n, 0);
  for (int v = 0; v + 1 < n; ++v) {
    const Relu* relu = std::get_if<Relu>(&graph.nodes[v].op);
    if (relu == nullptr || relu->negative_slope != 0 || readers[v] == 0 || !only_dense[v]) continue;
    const int u = graph.nodes[v].inputs[0];
    candidate[v] = std::holds_alternative<Dense>(graph.nodes[u].op) && readers[u] == 1;
  }
  return candidate;
}

template <class T>
std::vector<T> submatrix(const std::vector<T>& w, int columns, const std::vector<int>& row_kept,
                         const std::vector<int>& column_kept) {
  std::vector<T> out;
  if (w.empty()) return out;
  out.reserve(row_kept.size() * column_kept.size());
  for (int r : row_kept) {
    const T* row = w.data() + static_cast<std::size_t>(r) * columns;
    for (int c : column_kept) out.push_back(row[c]);
  }
  return out;
}

}  // namespace

Bounds Reduced::select(const Bounds& bounds) const {
  Bounds out(graph, 1);
  for (std::size_t v = 0; v < kept.size(); ++v) {
    out.lo[v] = select(static_cast<int>(v), bounds.lo[v]);
    out.hi[v] = select(static_cast<int>(v), bounds.hi[v]);
  }
  return out;
}

std::optional<Reduced> drop_dead_neurons(const Graph& graph, const Bounds& bounds) {
  const int n = static_cast<int>(graph.nodes.size());
  const std::vector<char> candidate = between_dense(graph);
  Reduced reduced;
  reduced.kept.resize(n);
  for (int v = 0; v < n; ++v) {
    reduced.kept[v].resize(graph.nodes[v].shape.size());
    std::iota(reduced.kept[v].begin(), reduced.kept[v].end(), 0);
  }
  for (int v = 0; v < n; ++v) {
    if (candidate[v] == 0) continue;
    const int u = graph.nodes[v].inputs[0];
    std::vector<int> alive;
    for (int j : reduced.kept[v]) {
      if (!(bounds.hi[u][j] <= 0)) alive.push_back(j);
    }
    if (alive.empty())
      alive.push_back(0);  // a layer of no neurons would need special cases everywhere
    reduced.kept[u] = reduced.kept[v] = alive;
  }
  double before = 0;
  double after = 0;
  for (const Node& node : graph.nodes) {
    const Dense* dense = std::get_if<Dense>(&node.op);
    if (dense == nullptr) continue;
    const std::size_t v = &node - graph.nodes.data();
    before += static_cast<double>(dense->in) * dense->out;
    after += static_cast<double>(reduced.kept[node.inputs[0]].size()) * reduced.kept[v].size();
  }
  if (after > 0.9 * before) return std::nullopt;

  reduced.graph.input_order = graph.input_order;
  reduced.graph.output_order = graph.output_order;
  for (int v = 0; v < n; ++v) {
    const Node& from = graph.nodes[v];
    Node node;
    node.inputs = from.inputs;
    node.name = from.name;
    node.shape = from.shape;
    const bool smaller = reduced.kept[v].size() != static_cast<std::size_t>(from.shape.size());
    if (smaller) node.shape = {1, 1, static_cast<int>(reduced.kept[v].size())};
    if (const Dense* dense = std::get_if<Dense>(&from.op)) {
      const std::vector<int>& columns = reduced.kept[from.inputs[0]];
      Dense d;
      d.in = static_cast<int>(columns.size());
      d.out = static_cast<int>(reduced.kept[v].size());
      d.weight.f = submatrix(dense->weight.f, dense->in, reduced.kept[v], columns);
      d.weight.d = submatrix(dense->weight.d, dense->in, reduced.kept[v], columns);
      d.bias = reduced.select(v, dense->bias);
      d.precision = dense->precision;
      if (!d.precision.hidden.empty()) d.precision.hidden = reduced.select(v, d.precision.hidden);
      node.op = std::move(d);
    } else {
      node.op = from.op;
    }
    reduced.graph.nodes.push_back(std::move(node));
  }
  return reduced;
}

}  // namespace coronet::bound
