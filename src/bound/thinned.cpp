#include "bound/thinned.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "graph/sharded.h"

namespace coronet::bound {

namespace {

/// More weights than this are not written out: memory would be the limit.
constexpr double kMostWeights = 4e6;

/// A product in blocks costs so much more than one of a convolution of whole images.
constexpr double kBlockCost = 1.3;

}  // namespace

std::unique_ptr<Thinned> Thinned::make(const Network<float>& net, const Root& root,
                                       const RowList& list, const Plan& plan) {
  // What is left of a share is no graph for others.
  if (net.group() != nullptr || list.neuron.empty() || !list.input.empty()) return nullptr;
  auto reduced = graph_of(net.graph(), root.bounds, list.node, neurons_of(list), plan);
  if (!reduced) return nullptr;
  return std::unique_ptr<Thinned>(new Thinned(std::move(*reduced), root, list));
}

std::optional<Reduced> Thinned::graph_of(const Graph& graph, const Bounds& bounds, int last,
                                         const std::vector<int>& asked, const Plan& plan) {
  const bool convolutions = std::any_of(plan.order.begin(), plan.order.end(), [&](int v) {
    return std::holds_alternative<Conv>(graph.nodes[v].op);
  });
  if (!convolutions) return std::nullopt;
  const double most = std::min(kMostWeights, row_products(graph, plan) / kBlockCost);
  return thin_out(graph, bounds, last, asked, most);
}

std::size_t Thinned::bytes_of(const Reduced& reduced, const Network<float>& net) {
  std::size_t sum = net.bytes() + weight_bytes_here(reduced.graph);
  for (std::size_t v = 0; v < reduced.kept.size(); ++v) {
    sum += reduced.kept[v].size() * sizeof(int);
    if (const Sparse* sparse = std::get_if<Sparse>(&reduced.graph.nodes[v].op)) {
      sum += sparse->row.size() * sizeof(sparse->row[0]) +
             sparse->column.size() * sizeof(sparse->column[0]) +
             (sparse->value.size() + sparse->bias.size()) * sizeof(double);
    }
  }
  return sum;
}

Thinned::Thinned(Reduced reduced, const Root& root, const RowList& list)
    : reduced_(std::move(reduced)),
      net_(reduced_.graph, kPackBytes),
      list_(renumbered(list, reduced_.kept[list.node])) {
  relaxation_.lo = root.relax32.lo;
  relaxation_.hi = root.relax32.hi;
  relaxation_.lines.resize(net_.nodes());
  for (int v = 0; v < net_.nodes(); ++v) {
    if (net_.elementwise(v) && root.relax32.lines[v].size > 0) {
      relaxation_.lines[v] = select_lines(reduced_, v, root.relax32.lines[v]);
    }
  }
  plan_ = make_plan(net_, list.node, false);
}

template <class T>
AlignedVector<T> Thinned::widen(int node, const AlignedVector<float>& slopes, int first,
                                const Extent& extent, const RowSet& rows,
                                const Lines<float>& lines) const {
  const std::vector<int>& kept = reduced_.kept[node];
  AlignedVector<float> whole = lines.sl;
  AlignedVector<T> out(static_cast<std::size_t>(rows.count) * extent.size(), T(0));
  for (int r = 0; r < rows.count; ++r) {
    const float* from = slopes.data() + static_cast<std::size_t>(first + r) * kept.size();
    for (std::size_t i = 0; i < kept.size(); ++i) whole[kept[i]] = from[i];
    T* to = out.data() + static_cast<std::size_t>(r) * extent.size();
    for_each_run(
        extent, rows, r,
        [&](int offset, int at, int n) {
          std::copy(whole.begin() + at, whole.begin() + at + n, to + offset);
        },
        [](int, int) {});
  }
  return out;
}
template AlignedVector<float> Thinned::widen(int, const AlignedVector<float>&, int, const Extent&,
                                             const RowSet&, const Lines<float>&) const;
template AlignedVector<double> Thinned::widen(int, const AlignedVector<float>&, int, const Extent&,
                                              const RowSet&, const Lines<float>&) const;

}  // namespace coronet::bound
