#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "base/parallel.h"
#include "base/resources.h"
#include "bound/root.h"
#include "cli/bounds_report.h"
#include "cli/bounds_rows.h"
#include "cli/commands.h"
#include "cli/exit_codes.h"
#include "cli/held_network.h"
#include "cli/launch.h"
#include "cli/options_cli.h"
#include "cli/query_files.h"
#include "cli/row_ranks.h"
#include "cli/shared_neurons.h"
#include "cli/streams.h"
#include "cli/written_network.h"
#include "io/file.h"
#include "io/vnnlib.h"
#include "search/prepared.h"
#include "search/spec.h"

namespace coronet::cli {

namespace {

struct BoundsArguments {
  std::vector<std::string> files;
  std::string rows = "property";
  std::string json_file;
  std::string npz_file;
  int box = -1;
  Options options;
};

constexpr const char* kFooter = R"(
Methods, from fast and loose to slow and tight:
  interval   each node from the one before it
  crown      linear relaxations, substituted back to the input
  alpha      the same with optimised slopes, --iterations for each neuron

Examples:
  coronet bounds net.onnx property.vnnlib --method interval
  coronet bounds net.onnx property.vnnlib --method alpha --iterations 20 --npz bounds.npz
  mpirun -n 4 coronet bounds net.onnx property.vnnlib --mesh rows=2,tensor=2
  coronet bounds net.onnx property.vnnlib --mesh tensor=2 --zones 2
  coronet bounds net.onnx property.vnnlib --mesh tensor=4 --device cuda
)";

int choose_box(const Property& property, int wanted) {
  const int boxes = static_cast<int>(property.boxes.size());
  if (boxes == 0) throw Error(ErrorKind::kBadInput, "the property's input region is empty");
  if (wanted < 0 && boxes > 1) {
    throw Error(
        ErrorKind::kBadInput,
        fmt::format("the property has {} boxes: choose one with --box 0 to {}", boxes, boxes - 1));
  }
  if (wanted >= boxes) {
    throw Error(ErrorKind::kBadInput, fmt::format("--box {}: the property has {}", wanted, boxes));
  }
  return std::max(wanted, 0);
}

/// The class that the network gives to the middle of the box.
int label_of(WrittenNetwork& written, const Box& box) {
  std::vector<double> x(box.lower.size());
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = box.lower[i] / 2 + box.upper[i] / 2;
  const std::vector<double> y = written.evaluate(x);
  return static_cast<int>(std::max_element(y.begin(), y.end()) - y.begin());
}

/// By this rank and those that bound rows for it.
bound::FoundBounds bound_by_rows(const HeldNetwork& network, const search::GraphBox& box,
                                 const Forms& forms, const Options& options,
                                 comm::Channel* channel) {
  const Graph& graph = network.graph();
  LedRanks ranks(channel, network, options);
  Workers workers(options.threads);
  const Deadline deadline(options.timeout > 0 ? options.timeout : HUGE_VAL);
  Tracer silent;
  const std::unique_ptr<bound::Accelerator> accelerator = bound::open_accelerator(options, graph);
  search::Prepared prepared(graph, options, workers, deadline, silent, accelerator.get(),
                            ranks.get());
  prepared.count_in(&network.ledger());
  bound::Context& context = prepared.context;
  bound::RootSettings settings;
  settings.method = bound::method_of(options.method);
  settings.iterations = options.iterations;
  settings.all_neurons = true;

  bound::FoundBounds found;
  const double begin = elapsed_seconds();
  bound::Root root = bound::bound_root(context, box.lower, box.upper, settings);
  const double middle = elapsed_seconds();
  found.forms = bound_forms(context, root, settings.method, forms);
  found.seconds = middle - begin;
  found.form_seconds = elapsed_seconds() - middle;
  ranks.end(network.ledger());
  found.memory = network.ledger().usage();
  if (accelerator != nullptr) found.device_memory = accelerator->memory();
  found.bounds = std::move(root.bounds);
  found.timed_out = root.timed_out || deadline.passed();
  found.ranks = ranks.reports();
  return found;
}

int lead(const BoundsArguments& arguments, const QueryFiles& files, const Options& options,
         const Mesh& mesh, comm::Channel* channel) {
  WrittenNetwork written(files.networks.front().path);
  HeldNetwork network(written.model(), channel, options, mesh);
  const Graph& graph = network.graph();
  const Property property = read_vnnlib(files.property, written.model().signature());
  const int b = choose_box(property, arguments.box);
  check_import(written.model(), graph, options.seed, &property.boxes[b]);
  Forms forms = arguments.rows == "label" ? label_forms(graph, label_of(written, property.boxes[b]))
                                          : property_forms(graph, property, b);
  written.release_if_large(graph);
  // The box of the decimals as written: the doubles nearest to them, widened by one unit.
  search::GraphBox box = search::make_graph_box(graph, property.boxes[b]);
  for (double& x : box.lower) x = bound::down(x);
  for (double& x : box.upper) x = bound::up(x);
  const bound::FoundBounds found =
      mesh.tensor > 1 ? bound_shared(*channel, mesh, network.graph(), box, forms, options)
                      : bound_by_rows(network, box, forms, options, channel);
  note_bounds(found.forms, forms);
  const BoundsReport report{graph, found, std::move(forms.rows), b};
  bool good = say(bounds_table(report));
  if (!arguments.json_file.empty()) {
    write_file(arguments.json_file, bounds_json(report, options,
                                                {{"network", files.networks.front().path},
                                                 {"property", files.property},
                                                 {"version", CORONET_VERSION}}));
  }
  if (!arguments.npz_file.empty()) save_npz(report, arguments.npz_file);
  if (!good) throw Error(ErrorKind::kBadInput, "standard output cannot be written");
  if (found.timed_out) {
    complain(
        "coronet: the time ran out: the bounds are sound, but not all are as tight as asked for\n");
    return kTimeout;
  }
  return kDecided;
}

int bounds(const BoundsArguments& arguments) {
  const QueryFiles files = query_files(arguments.files, {});
  const comm::Launch launch = launch_of(arguments.options);
  const Mesh mesh = mesh_of(arguments.options, launch);
  if (mesh.tensor > 1) keep_nccl_from_multicast();
  const auto serve = [&](comm::Channel& channel, const Options& options) {
    const std::string& path = files.networks.front().path;
    if (mesh.tensor > 1) {
      serve_neurons(channel, mesh, path, options);
    } else {
      serve_network(channel, path, options);
    }
  };
  if (launch.rank != 0) return run_serving(launch, arguments.options, serve);
  int exit_code = kInternal;
  run_leading(
      launch, arguments.options,
      [&](comm::Channel* channel, const Options& options) {
        exit_code = lead(arguments, files, options, mesh, channel);
      },
      serve);
  return exit_code;
}

}  // namespace

void add_bounds(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand(
      "bounds", "bounds of every node over the property's box, and of the property's constraints");
  auto arguments = std::make_shared<BoundsArguments>();
  arguments->options.method = "crown";
  command->add_option("FILES", arguments->files, "network and property, in either order")
      ->required()
      ->type_name("");
  command
      ->add_option(
          "--rows", arguments->rows,
          "what else to bound: the constraints of the property, or label: the margins of the "
          "class of the box's middle over all others")
      ->check(CLI::IsMember({"property", "label"}))
      ->type_name("WORD")
      ->capture_default_str();
  command->add_option("--box", arguments->box, "which of the property's boxes, from 0")
      ->check(CLI::NonNegativeNumber)
      ->type_name("N");
  command->add_option("--json", arguments->json_file, "write all bounds as JSON")
      ->type_name("FILE");
  command->add_option("--npz", arguments->npz_file, "write all bounds for numpy.load")
      ->type_name("FILE");
  add_options(*command, arguments->options, {"limits", "bounds"});
  command->footer(kFooter);
  command->callback([arguments, command, &exit_code] {
    // One number serves nodes and rows unless both are given.
    if (command->count("--spec-iterations") == 0) {
      arguments->options.spec_iterations = arguments->options.iterations;
    }
    exit_code = bounds(*arguments);
  });
}

}  // namespace coronet::cli
