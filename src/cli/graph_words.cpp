#include "cli/graph_words.h"

#include <fmt/format.h>

#include <map>
#include <variant>

namespace coronet::cli {

namespace {

struct Name {
  const char* operator()(const Input&) const { return "Input"; }
  const char* operator()(const Dense&) const { return "Dense"; }
  const char* operator()(const Conv&) const { return "Conv"; }
  const char* operator()(const Scale&) const { return "Scale"; }
  const char* operator()(const Sum&) const { return "Sum"; }
  const char* operator()(const Select&) const { return "Select"; }
  const char* operator()(const Sparse&) const { return "Sparse"; }
  const char* operator()(const Relu&) const { return "Relu"; }
  const char* operator()(const Sigmoid&) const { return "Sigmoid"; }
  const char* operator()(const Tanh&) const { return "Tanh"; }
};

}  // namespace

const char* operator_name(const Operator& op) { return std::visit(Name{}, op); }

std::size_t count_parameters(const Graph& graph) {
  std::size_t count = 0;
  for (const Node& node : graph.nodes) {
    std::visit(
        [&](const auto& op) {
          if constexpr (requires { op.weight; }) count += op.weight.size() + op.bias.size();
          if constexpr (requires { op.shift; }) count += op.scale.size() + op.shift.size();
        },
        node.op);
  }
  return count;
}

std::string operator_counts(const Graph& graph) {
  std::map<std::string, int> counts;
  for (const Node& node : graph.nodes) ++counts[operator_name(node.op)];
  std::string text;
  for (const auto& [name, count] : counts) {
    if (name == "Input") continue;
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, name);
  }
  return text;
}

}  // namespace coronet::cli
