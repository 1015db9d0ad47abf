#include "bound/thinned.h"

#include <algorithm>
#include <utility>

namespace coronet::bound {

namespace {

/// More weights than this are not written out: memory would be the limit.
constexpr double kMostWeights = 4e6;

/// A product in blocks costs so much more than one of a convolution of whole images.
constexpr double kBlockCost = 1.3;

}  // namespace

std::unique_ptr<Thinned> Thinned::make(const Network<float>& net, const Root& root,
                                       const RowList& list, const Plan& plan) {
  const Graph& graph = net.graph();
  const bool convolutions = std::any_of(plan.order.begin(), plan.order.end(), [&](int v) {
    return std::holds_alternative<Conv>(graph.nodes[v].op);
  });
  // What is left of a share is no graph for others.
  if (net.group() != nullptr || !convolutions || list.neuron.empty() || !list.input.empty())
    return nullptr;
  const double most = std::min(kMostWeights, row_products(graph, plan) / kBlockCost);
  auto reduced = thin_out(graph, root.bounds, list.node, neurons_of(list), most);
  if (!reduced) return nullptr;
  return std::unique_ptr<Thinned>(new Thinned(std::move(*reduced), root, list));
}

Thinned::Thinned(Reduced reduced, const Root& root, const RowList& list)
    : reduced_(std::move(reduced)),
      net_(reduced_.graph, static_cast<std::size_t>(4 * kMostWeights)),
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

AlignedVector<float> Thinned::widen(int node, const AlignedVector<float>& slopes, int first,
                                    const Extent& extent, const RowSet& rows,
                                    const Lines<float>& lines) const {
  const std::vector<int>& kept = reduced_.kept[node];
  AlignedVector<float> whole = lines.sl;
  AlignedVector<float> out(static_cast<std::size_t>(rows.count) * extent.size(), 0.0F);
  for (int r = 0; r < rows.count; ++r) {
    const float* from = slopes.data() + static_cast<std::size_t>(first + r) * kept.size();
    for (std::size_t i = 0; i < kept.size(); ++i) whole[kept[i]] = from[i];
    float* to = out.data() + static_cast<std::size_t>(r) * extent.size();
    for_each_run(
        extent, rows, r,
        [&](int offset, int at, int n) {
          std::copy(whole.begin() + at, whole.begin() + at + n, to + offset);
        },
        [](int, int) {});
  }
  return out;
}

}  // namespace coronet::bound
