// How many points the attack evaluates in a second, each with its gradient and its step.
//
//   attack_bench NET.onnx PROPERTY.vnnlib [--OPTION VALUE ...]
//
// OPTION is any of src/base/options.def with '-' for '_', such as --device, --attack-restarts
// (starts of each clause; on a GPU there are more), --attack-steps, --threads. Two attacks are
// made, the first of which pays for what is made once. A counterexample ends them: take a property
// that holds.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "arguments.h"
#include "base/error.h"
#include "base/parallel.h"
#include "base/progress.h"
#include "base/resources.h"
#include "io/onnx.h"
#include "io/vnnlib.h"
#include "search/attack.h"
#include "search/oracle.h"
#include "search/prepared.h"
#include "search/spec.h"

namespace coronet {
namespace {

void measure(const std::string& network, const std::string& query, const Options& options) {
  const Deadline deadline(options.timeout > 0 ? options.timeout : HUGE_VAL);
  const Model model = Model::read(network);
  const Graph graph = model.lower();
  const Property property = read_vnnlib(query, model.signature());
  const auto accelerator = bound::open_accelerator(options, graph);
  Workers workers(options.threads);
  Tracer tracer;
  search::Prepared engine(graph, options, workers, deadline, tracer, accelerator.get(), nullptr);
  std::vector<search::ClauseRows> clauses;
  std::vector<search::GraphBox> boxes;
  for (const Box& b : property.boxes) boxes.push_back(search::make_graph_box(graph, b));
  for (std::size_t k = 0; k < property.clauses.size(); ++k) {
    clauses.push_back(search::make_clause_rows(graph, property, static_cast<int>(k)));
  }
  search::Oracle oracle(graph, property,
                        [&model](const std::vector<double>& x) { return model.enclose(x); });
  search::AttackSettings settings;
  settings.restarts = options.attack_restarts;
  settings.steps = options.attack_steps;
  for (settings.stream = 1; settings.stream <= 2 && !oracle.found(); ++settings.stream) {
    std::vector<double> best(clauses.size(), HUGE_VAL);
    const double began = elapsed_seconds();
    const std::int64_t points =
        search::attack(engine.context, clauses, boxes, oracle, settings, best);
    const double seconds = elapsed_seconds() - began;
    fmt::print("{:<24} {:9} points and steps in {:7.3f} s: {:10.0f} in a second, least {:+.6g}{}\n",
               accelerator ? accelerator->name() : fmt::format("{} threads", workers.size()),
               points, seconds, static_cast<double>(points) / seconds,
               *std::min_element(best.begin(), best.end()),
               oracle.found() ? " (a counterexample)" : "");
  }
}

int run(int argc, char** argv) {
  try {
    std::vector<std::string> files;
    Options options;
    for (int i = 1; i < argc; ++i) {
      const std::string word = argv[i];
      if (word.starts_with("--")) {
        bench::set_option(word, bench::value_behind(argc, argv, i), options);
      } else {
        files.push_back(word);
      }
    }
    if (files.size() != 2) throw Error(ErrorKind::kBadInput, "name a network and a property");
    measure(files[0], files[1], options);
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "attack_bench: {}\n", error.what());
    return 2;
  }
}

}  // namespace
}  // namespace coronet

int main(int argc, char** argv) { return coronet::run(argc, argv); }
