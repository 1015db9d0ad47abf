#include <fmt/format.h>

#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/exit_codes.h"
#include "cli/graph_words.h"
#include "cli/streams.h"
#include "cli/table.h"
#include "io/onnx.h"

namespace coronet::cli {

namespace {

constexpr const char* kFooter = R"(
For each node: the rule by which it becomes operators of the engine. What is not supported is
listed at the end with the reason; the exit code is then 3, otherwise 0.

Example:
  coronet explain net.onnx.gz
)";

int explain(const std::string& path) {
  const Model model = Model::read(path);
  const Signature& signature = model.signature();
  const std::vector<Model::NodeInfo> nodes = model.nodes();
  std::string text = fmt::format("{}\n  input   {} {}\n  output  {}\n  nodes   {}\n", path,
                                 signature.element_type, shape_words(signature.input_shape),
                                 shape_words(signature.output_shape), nodes.size());
  Table table({">", "operator", "shape", "rule", "name"});
  std::string problems;
  int unsupported = 0;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const Model::NodeInfo& node = nodes[i];
    const std::string shape = node.shape.empty() ? "" : shape_words(node.shape);
    table.row({std::to_string(i), node.op, shape,
               node.problem.empty() ? node.rule : "NOT SUPPORTED", node.name});
    if (node.problem.empty()) continue;
    ++unsupported;
    problems += fmt::format("  {} {} {}: {}\n", i, node.op, node.name, node.problem);
  }
  // What concerns no single node (a second input, say) only lowering tells.
  if (unsupported == 0) {
    try {
      const Graph graph = model.lower();
      text += fmt::format("  lowered to {} operators ({}), {} parameters\n", graph.nodes.size() - 1,
                          operator_counts(graph), count_parameters(graph));
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::kUnsupported) throw;
      unsupported = 1;
      problems = fmt::format("  {}\n", error.what());
    }
  }
  text += "\n" + table.text();
  if (unsupported > 0) {
    text += fmt::format("\nnot supported ({}):\n{}", unsupported, problems);
  }
  if (!say(text)) throw Error(ErrorKind::kBadInput, "standard output cannot be written");
  return unsupported > 0 ? kUnsupported : kDecided;
}

}  // namespace

void add_explain(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand(
      "explain", "list a network's nodes: operator, shape, rule, and what is unsupported");
  auto path = std::make_shared<std::string>();
  command->add_option("NETWORK", *path, "the network (.onnx, .onnx.gz)")->required()->type_name("");
  command->footer(kFooter);
  command->callback([path, &exit_code] { exit_code = explain(*path); });
}

}  // namespace coronet::cli
