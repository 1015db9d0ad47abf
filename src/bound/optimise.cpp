#include "bound/optimise.h"

#include <algorithm>
#include <numeric>
#include <variant>

#include "bound/accelerator.h"
#include "bound/row_task.h"

namespace coronet::bound {

std::vector<int> neurons_of(const RowList& list) {
  std::vector<int> asked = list.neuron;
  std::sort(asked.begin(), asked.end());
  asked.erase(std::unique(asked.begin(), asked.end()), asked.end());
  return asked;
}

RowList renumbered(const RowList& list, const std::vector<int>& kept) {
  RowList to = list;
  for (int& j : to.neuron) {
    j = static_cast<int>(std::lower_bound(kept.begin(), kept.end(), j) - kept.begin());
  }
  return to;
}

std::optional<Reduced> outline_of(const Graph& graph, const Bounds& bounds, const RowList& list) {
  // All of the node, unless its neurons are rows of a weight.
  std::vector<int> asked = neurons_of(list);
  const Node& node = graph.nodes[list.node];
  if (asked.empty() || !std::holds_alternative<Dense>(node.op)) {
    asked.resize(node.shape.size());
    std::iota(asked.begin(), asked.end(), 0);
  }
  return outline(graph, bounds, list.node, asked);
}

bool usable_patches(const RowList& list, const Shape& shape) {
  return !list.neuron.empty() && shape.image() && list.input.empty();
}

template <class T>
Rows<T> make_rows(const Network<T>& net, const RowList& list, int first, int last, bool patches) {
  Rows<T> rows;
  rows.count = last - first;
  rows.selection = !list.neuron.empty();
  const Shape& shape = net.shape(list.node);
  if (rows.selection) {
    rows.neuron.assign(list.neuron.begin() + first, list.neuron.begin() + last);
    rows.sign.assign(list.sign.begin() + first, list.sign.begin() + last);
    if (patches) {
      for (int j : rows.neuron) {
        rows.start_y.push_back(j / shape.channels / shape.width);
        rows.start_x.push_back(j / shape.channels % shape.width);
      }
    }
  } else {
    const std::size_t n = shape.size();
    rows.dense.assign(list.dense.begin() + first * n, list.dense.begin() + last * n);
  }
  if (!list.input.empty()) {
    const std::size_t n = net.size(0);
    rows.input.assign(list.input.begin() + first * n, list.input.begin() + last * n);
  }
  if (!list.constant.empty()) {
    rows.constant.assign(list.constant.begin() + first, list.constant.begin() + last);
  }
  return rows;
}
template Rows<float> make_rows(const Network<float>&, const RowList&, int, int, bool);
template Rows<double> make_rows(const Network<double>&, const RowList&, int, int, bool);

std::unique_ptr<RowParts> make_parts(Context& context, const Root& root, const RowList& list,
                                     const OptimiseSettings& settings, const Deadline& deadline,
                                     bool on_device) {
  if (on_device) return context.device->parts(root, list, settings, deadline);
  return std::make_unique<RowTask>(context, root, list, settings, deadline);
}

RowBounds bound_rows_here(Context& context, const Root& root, const RowList& list,
                          const OptimiseSettings& settings, const Deadline& deadline) {
  const int rows = list.count(context.net32.size(list.node));
  if (rows == 0) return {};
  const auto parts =
      make_parts(context, root, list, settings, deadline, context.for_device(rows, list.node));
  const int hands = parts->hands(context.workers.size());
  RowBounds result = parts->room(rows);
  Deal deal(rows, parts->part(hands), deadline);
  with_hands(context.workers, hands, [&](int hand) {
    for (Deal::Part part = deal.next(); part.last > part.first; part = deal.next()) {
      parts->bound(part.first, part.last, hand, result, 0);
    }
  });
  result.timed_out = deal.late();
  return result;
}

RowBounds bound_rows(Context& context, const Root& root, const RowList& list,
                     const OptimiseSettings& settings) {
  if (context.ranks != nullptr) {
    return context.ranks->bound(root, list, settings, context.deadline);
  }
  return bound_rows_here(context, root, list, settings, context.deadline);
}

}  // namespace coronet::bound
