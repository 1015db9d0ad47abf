// Reorderings move into the operators before them.
#include <algorithm>

#include "io/onnx/exactness.h"
#include "io/onnx/fold.h"
#include "ops/tiles.h"

namespace coronet::importer {
namespace {

using Index = std::vector<std::int32_t>;

/// values[i] = values[index[i]] for blocks of `width` numbers, without a second copy of them.
template <typename T>
void permute(std::vector<T>& values, const Index& index, std::size_t width) {
  if (values.empty()) return;
  std::vector<bool> done(index.size());
  std::vector<T> first(width);
  const auto block = [&](std::size_t i) {
    return values.begin() + static_cast<std::ptrdiff_t>(i * width);
  };
  for (std::size_t start = 0; start < index.size(); ++start) {
    if (done[start]) continue;
    std::copy_n(block(start), width, first.begin());
    std::size_t at = start;
    while (static_cast<std::size_t>(index[at]) != start) {
      const auto from = static_cast<std::size_t>(index[at]);
      std::copy_n(block(from), width, block(at));
      done[at] = true;
      at = from;
    }
    std::copy_n(first.begin(), width, block(at));
    done[at] = true;
  }
}

Sparse permuted(const Sparse& s, const Index& index) {
  Sparse result;
  result.row.push_back(0);
  for (const std::int32_t i : index) {
    const auto r = static_cast<std::size_t>(i);
    for (std::int64_t e = s.row[r]; e < s.row[r + 1]; ++e) {
      result.column.push_back(s.column[static_cast<std::size_t>(e)]);
      result.value.push_back(s.value[static_cast<std::size_t>(e)]);
    }
    result.row.push_back(static_cast<std::int64_t>(result.column.size()));
    result.bias.push_back(s.bias[r]);
    if (!s.precision.hidden.empty()) result.precision.hidden.push_back(s.precision.hidden[r]);
  }
  result.precision.roundings = s.precision.roundings;
  return result;
}

Select composed(const Select& before, const Select& after) {
  Select result;
  result.constant = after.constant;
  result.precision.roundings = before.precision.roundings + after.precision.roundings;
  Exactness exact;
  for (std::size_t i = 0; i < after.index.size(); ++i) {
    const std::int32_t k = after.index[i];
    result.index.push_back(k < 0 ? -1 : before.index[static_cast<std::size_t>(k)]);
    if (k < 0 || before.constant.empty()) continue;
    result.constant.resize(after.index.size());
    result.constant[i] =
        exact.plus(result.constant[i], before.constant[static_cast<std::size_t>(k)]);
  }
  if (exact.rounded()) {
    throw Error(ErrorKind::kUnsupported, "a sum of constants that a double does not hold");
  }
  return result;
}

bool identity(const Index& index) {
  for (std::size_t i = 0; i < index.size(); ++i) {
    if (index[i] != static_cast<std::int32_t>(i)) return false;
  }
  return true;
}

bool permutation(const Select& select, int size) {
  if (!select.constant.empty() || static_cast<int>(select.index.size()) != size) return false;
  std::vector<bool> seen(select.index.size());
  for (const std::int32_t i : select.index) {
    if (i < 0 || seen[static_cast<std::size_t>(i)]) return false;
    seen[static_cast<std::size_t>(i)] = true;
  }
  return true;
}

/// A scale in the order that a Select gives, in the smallest period that the engine likes.
Scale permuted(const Scale& s, const Index& index, int channels) {
  Scale result;
  const std::size_t period = s.scale.size();
  if (period == 1) return s;
  for (const std::int32_t i : index) {
    result.scale.push_back(s.scale[static_cast<std::size_t>(i) % period]);
    result.shift.push_back(s.shift[static_cast<std::size_t>(i) % period]);
    if (s.precision.hidden.empty()) continue;
    result.precision.hidden.push_back(s.precision.hidden[static_cast<std::size_t>(i) % period]);
  }
  result.precision.roundings = s.precision.roundings;
  const std::vector<double>& hidden = result.precision.hidden;
  const auto c = static_cast<std::size_t>(channels);
  for (std::size_t i = c; i < result.scale.size(); ++i) {
    if (result.scale[i] != result.scale[i - c] || result.shift[i] != result.shift[i - c] ||
        (!hidden.empty() && hidden[i] != hidden[i - c])) {
      return result;
    }
  }
  result.scale.resize(c);
  result.shift.resize(c);
  if (!hidden.empty()) result.precision.hidden.resize(c);
  return result;
}

/// One step of the Select at `s` towards the input. Returns where it stands now, or -1 if it is
/// gone or stays.
int step(Graph& graph, int s) {
  Node& node = graph.nodes[static_cast<std::size_t>(s)];
  auto& select = std::get<Select>(node.op);
  if (node.inputs.size() != 1) return -1;
  const int u = node.inputs[0];
  Node& before = graph.nodes[static_cast<std::size_t>(u)];
  const bool whole = permutation(select, before.shape.size());
  if (whole && identity(select.index) && !std::holds_alternative<Input>(before.op)) {
    if (!before.shape.image()) before.shape = node.shape;
    bypass(graph, s, u);
    return -1;
  }
  if (readers_of(graph)[static_cast<std::size_t>(u)].size() != 1) return -1;
  if (auto* inner = std::get_if<Select>(&before.op)) {
    *inner = composed(*inner, select);
    before.shape = node.shape;
    bypass(graph, s, u);
    return u;
  }
  if (!whole) return -1;
  const Index index = select.index;
  const Shape shape = node.shape;
  if (std::holds_alternative<Input>(before.op)) {
    std::vector<int> order;
    for (const std::int32_t i : index)
      order.push_back(graph.input_order[static_cast<std::size_t>(i)]);
    graph.input_order = std::move(order);
  } else if (auto* dense = std::get_if<Dense>(&before.op)) {
    if (!dense->weight.here()) dense->weight = gathered(dense->weight);
    permute(dense->weight.f, index, static_cast<std::size_t>(dense->in));
    permute(dense->weight.d, index, static_cast<std::size_t>(dense->in));
    permute(dense->bias, index, 1);
    permute(dense->precision.hidden, index, 1);
  } else if (auto* sparse = std::get_if<Sparse>(&before.op)) {
    *sparse = permuted(*sparse, index);
  } else if (std::holds_alternative<Scale>(before.op) || std::holds_alternative<Relu>(before.op) ||
             std::holds_alternative<Sigmoid>(before.op) ||
             std::holds_alternative<Tanh>(before.op)) {
    // The two change places.
    if (auto* scale = std::get_if<Scale>(&before.op))
      *scale = permuted(*scale, index, shape.channels);
    std::swap(before.op, node.op);
    std::swap(before.name, node.name);
    before.shape = shape;
    return u;
  } else {
    return -1;
  }
  before.shape = shape;
  bypass(graph, s, u);
  return -1;
}

}  // namespace

void fold_selects(Graph& graph) {
  for (std::size_t n = 1; n < graph.nodes.size(); ++n) {
    int at = static_cast<int>(n);
    while (at > 0 && static_cast<std::size_t>(at) < graph.nodes.size() &&
           std::holds_alternative<Select>(graph.nodes[static_cast<std::size_t>(at)].op)) {
      at = step(graph, at);
    }
  }
  drop_dead(graph);
}

}  // namespace coronet::importer
