#include "io/onnx/lower.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/error.h"
#include "io/onnx/fold.h"
#include "io/onnx/lowering.h"
#include "ops/tiles.h"

namespace coronet::importer {
namespace {

template <typename T>
bool finite(const std::vector<T>& values) {
  return std::all_of(values.begin(), values.end(), [](T v) { return std::isfinite(v); });
}

bool finite(const Weight& weight) {
  bool all = true;
  for_each_piece(weight, [&](const auto* numbers, std::size_t count) {
    all = all && std::all_of(numbers, numbers + count, [](auto v) { return std::isfinite(v); });
  });
  return all;
}

struct FiniteNumbers {
  bool operator()(const Dense& op) const { return finite(op.weight) && finite(op.bias); }
  bool operator()(const Conv& op) const { return finite(op.weight) && finite(op.bias); }
  bool operator()(const Scale& op) const { return finite(op.scale) && finite(op.shift); }
  bool operator()(const Sum& op) const { return finite(op.coefficient); }
  bool operator()(const Select& op) const { return finite(op.constant); }
  bool operator()(const Sparse& op) const { return finite(op.value) && finite(op.bias); }
  bool operator()(const Relu& op) const { return std::isfinite(op.negative_slope); }
  template <typename Op>
  bool operator()(const Op&) const {
    return true;
  }
};

/// A weight that is infinite or not a number has no place in a bound.
void require_finite(const Graph& graph) {
  std::string all;
  for (const Node& node : graph.nodes) {
    if (!std::visit(FiniteNumbers(), node.op)) {
      all += fmt::format("\n  node '{}': a constant is infinite or not a number", node.name);
    }
  }
  if (!all.empty()) throw Error(ErrorKind::kUnsupported, "this model is not supported:" + all);
}

}  // namespace

Graph lower(const Written& written) {
  written.require_supported();
  const std::vector<Value>& values = written.values();
  std::vector<int> uses(values.size(), 0);
  uses[static_cast<std::size_t>(written.output())] = 1;
  for (const WrittenNode& node : written.nodes()) {
    if (!node.live || node.folded) continue;
    for (const int id : node.in) {
      if (id >= 0) ++uses[static_cast<std::size_t>(id)];
    }
  }
  Lowering lowering(written.fold_roundings());
  std::vector<std::optional<View>> views(values.size());
  const Value& input = values[static_cast<std::size_t>(written.input())];
  views[static_cast<std::size_t>(written.input())] =
      lowering.input(input.tensor.dims(), input.name);
  for (const WrittenNode& node : written.nodes()) {
    if (!node.live || node.folded) continue;
    LowerNode now{&node.op, written.args(node), {}, {}, &node.name};
    for (const int id : node.in) {
      const bool variable = id >= 0 && !values[static_cast<std::size_t>(id)].tensor.known();
      now.views.push_back(variable ? &*views[static_cast<std::size_t>(id)] : nullptr);
    }
    for (const int id : node.out) {
      now.out.push_back(id < 0 ? Dims{} : values[static_cast<std::size_t>(id)].tensor.dims());
    }
    std::vector<View> results = node.rule->lower(lowering, now);
    for (std::size_t k = 0; k < node.out.size(); ++k) {
      if (node.out[k] >= 0) views[static_cast<std::size_t>(node.out[k])] = std::move(results[k]);
    }
    for (const int id : node.in) {
      if (id >= 0 && --uses[static_cast<std::size_t>(id)] == 0)
        views[static_cast<std::size_t>(id)].reset();
    }
  }
  if (!views[static_cast<std::size_t>(written.output())]) {
    throw Error(ErrorKind::kInternal, "lowering: the output has not been reached");
  }
  const Value& output = values[static_cast<std::size_t>(written.output())];
  Graph graph = lowering.take(*views[static_cast<std::size_t>(written.output())], output.name);
  drop_dead(graph);
  fold_selects(graph);
  fold_scales(graph);
  require_finite(graph);
  return graph;
}

}  // namespace coronet::importer
