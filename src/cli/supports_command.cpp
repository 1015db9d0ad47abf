#include <fmt/format.h>
#include <fmt/ranges.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/exit_codes.h"
#include "cli/streams.h"
#include "io/onnx.h"

namespace coronet::cli {

namespace {

/// One question of the standard: its flags, what it asks, the answer's lines. Clients read the
/// lines word by word: identifiers only, no notes, no blank lines.
struct Question {
  const char* flags;
  const char* title;
  std::function<std::vector<std::string>()> answer;
};

std::vector<Question> questions() {
  const auto fixed = [](std::vector<std::string> lines) { return [lines] { return lines; }; };
  return {
      {"--onnx-opset-versions", "ONNX opset versions, from and to",
       fixed({std::to_string(kMinOpset), std::to_string(kMaxOpset)})},
      // Networks of float32 and float64 are read, but analysed as functions over the reals: sound
      // for `real`, not for what a machine's rounding makes of them.
      {"--onnx-element-types", "ONNX element types", fixed({"real"})},
      {"--onnx-operators", "ONNX operators", supported_operators},
      {"--vnnlib-versions", "VNN-LIB versions, from and to", fixed({"1.0", "2.1"})},
      {"--hidden-node-theories", "hidden nodes", fixed({"NH"})},
      {"--multiple-input-output-theories,--multiple-inputs-outputs-theories", "inputs and outputs",
       fixed({"SIO"})},
      {"--multiple-network-theories", "networks", fixed({"SNET"})},
      {"--multiple-node-comparison-theories", "comparisons between nodes", fixed({"SNC", "MNC"})},
      {"--arithmetic-complexity-theories", "arithmetic", fixed({"BND", "OUTC", "LIN"})},
      {"--optimised-disjunctive-reasoning", "more than disjunctive normal form", fixed({"false"})},
      {"--serialise-assignments", "assignments as files", fixed({"false"})},
  };
}

constexpr const char* kFooter = R"(
Without flags a summary for people; with a flag the bare answer that the VNN-LIB standard asks
for, one item a line.

Theories: NH no hidden nodes; SIO one input and one output; SNET one network; SNC and MNC
comparisons of one node with constants and of several nodes with each other; BND, OUTC and LIN
bounds, comparisons of outputs, and linear arithmetic.
)";

std::string summary(const std::vector<Question>& all) {
  std::string text = fmt::format("Coronet {}\n\n", CORONET_VERSION);
  for (const Question& q : all) {
    text += fmt::format("{}:", q.title);
    std::size_t column = 80;
    for (const std::string& item : q.answer()) {
      if (column + item.size() + 2 > 78) {
        text += "\n ";
        column = 1;
      }
      text += " " + item;
      column += item.size() + 1;
    }
    text += "\n";
  }
  return text +
         "\nNetworks have one float32 or float64 input and one output, with weights inside the "
         "file.\n";
}

}  // namespace

void add_supports(CLI::App& app, int& exit_code) {
  CLI::App* command =
      app.add_subcommand("supports", "the ONNX operators and VNN-LIB queries that can be read");
  command->alias("capabilities");  // so called in parts of the standard
  auto asked = std::make_shared<std::vector<char>>(questions().size(), 0);
  const std::vector<Question> all = questions();
  for (std::size_t i = 0; i < all.size(); ++i) {
    command->add_flag_callback(
        all[i].flags, [asked, i] { (*asked)[i] = 1; }, all[i].title);
  }
  command->footer(kFooter);
  command->callback([asked, all, &exit_code] {
    std::string text;
    for (std::size_t i = 0; i < all.size(); ++i) {
      if ((*asked)[i] != 0) text += fmt::format("{}\n", fmt::join(all[i].answer(), "\n"));
    }
    exit_code = say(text.empty() ? summary(all) : text) ? kDecided : kBadInput;
  });
}

}  // namespace coronet::cli
