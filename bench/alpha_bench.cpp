// Lower bounds of y[label] - y[j] for every other class j over a property's box, as auto_LiRPA's
// compute_bounds() gives them: intermediate neurons are bounded only where they are unstable, and
// rows of the output do not stop at zero.
//
//   alpha_bench NET.onnx PROPERTY.vnnlib [--label N] [--plain] [--repeat N] [--json]
//               [--OPTION VALUE ...]
//
// --label: the class; without it, the one of the box's middle. --plain: one pass with --method
// instead of what the search does (CROWN, then alpha on the network without its dead neurons).
// --repeat: the bounds are computed so many times, and the last time is given: a GPU's kernels are
// loaded when they are first used.
// OPTION is any of src/base/options.def with '-' for '_', such as --method interval|crown|alpha,
// --iterations, --converged, --threads, --timeout.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <exception>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "arguments.h"
#include "base/error.h"
#include "base/parallel.h"
#include "base/progress.h"
#include "base/resources.h"
#include "bound/reduce.h"
#include "bound/root.h"
#include "io/onnx.h"
#include "io/vnnlib.h"
#include "search/prepared.h"
#include "search/spec.h"

namespace coronet {
namespace {

struct Arguments {
  std::vector<std::string> files;
  int label = -1;
  bool plain = false;
  bool json = false;
  int repeat = 1;
  Options options;
};

Arguments read_arguments(int argc, char** argv) {
  Arguments arguments;
  arguments.options.method = "alpha";
  bool spec_iterations = false;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--plain") {
      arguments.plain = true;
    } else if (word == "--json") {
      arguments.json = true;
    } else if (!word.starts_with("--")) {
      arguments.files.push_back(word);
    } else if (word == "--label") {
      bench::read_value(word, bench::value_behind(argc, argv, i), arguments.label);
    } else if (word == "--repeat") {
      bench::read_value(word, bench::value_behind(argc, argv, i), arguments.repeat);
    } else {
      bench::set_option(word, bench::value_behind(argc, argv, i), arguments.options);
    }
    spec_iterations |= word == "--spec-iterations";
  }
  if (!spec_iterations) arguments.options.spec_iterations = arguments.options.iterations;
  if (arguments.files.size() != 2) {
    throw Error(ErrorKind::kBadInput, "name a network and a property");
  }
  return arguments;
}

int label_of(const Graph& graph, const search::GraphBox& box) {
  std::vector<double> x(box.lower.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    x[static_cast<std::size_t>(graph.input_order[i])] = box.lower[i] / 2 + box.upper[i] / 2;
  }
  const std::vector<double> y = evaluate(graph, x);
  return static_cast<int>(std::max_element(y.begin(), y.end()) - y.begin());
}

bound::RowList label_rows(const Graph& graph, int label) {
  const auto outputs = static_cast<std::size_t>(graph.outputs());
  if (label < 0 || static_cast<std::size_t>(label) >= outputs) {
    throw Error(ErrorKind::kBadInput, fmt::format("--label {}: there is no such output", label));
  }
  std::vector<std::size_t> place(outputs);
  for (std::size_t i = 0; i < outputs; ++i) {
    place[static_cast<std::size_t>(graph.output_order[i])] = i;
  }
  bound::RowList list;
  list.node = static_cast<int>(graph.nodes.size()) - 1;
  for (std::size_t j = 0; j < outputs; ++j) {
    if (j == static_cast<std::size_t>(label)) continue;
    std::vector<double> row(outputs, 0.0);
    row[place[static_cast<std::size_t>(label)]] = 1;
    row[place[j]] = -1;
    list.dense.insert(list.dense.end(), row.begin(), row.end());
  }
  return list;
}

/// Interval bounds of the rows, multiplied into the last affine layer first, as auto_LiRPA does.
std::vector<double> interval_rows(const bound::Network<double>& net, const bound::Bounds& bounds,
                                  const bound::RowList& list) {
  const int last = list.node;
  const bound::Affine<double>* op = net.affine(last);
  const int outputs = net.size(last);
  std::vector<double> result;
  for (int r = 0; r < list.count(outputs); ++r) {
    const double* a = list.dense.data() + static_cast<std::size_t>(r) * outputs;
    double low = 0;
    const auto add = [&low](const double* row, const std::vector<double>& lo,
                            const std::vector<double>& hi) {
      for (std::size_t i = 0; i < lo.size(); ++i) {
        if (row[i] != 0) low += row[i] * (row[i] > 0 ? lo[i] : hi[i]);
      }
    };
    if (op == nullptr) {
      add(a, bounds.lo[last], bounds.hi[last]);
    } else {
      for (int j = 0; j < outputs; ++j) low += a[j] * op->bias_of(j);
      const std::vector<int>& inputs = net.inputs(last);
      for (int k = 0; k < static_cast<int>(inputs.size()); ++k) {
        const int u = inputs[k];
        std::vector<double> row(net.size(u));
        op->pull({1, nullptr, nullptr}, a, bound::Extent::all(net.shape(last)), k, row.data(),
                 bound::Extent::all(net.shape(u)), false);
        add(row.data(), bounds.lo[u], bounds.hi[u]);
      }
    }
    result.push_back(low);
  }
  return result;
}

/// Says which nodes are being bounded, so that a run that is cut off tells how far it came.
class Stages : public Tracer {
 public:
  void progress(const Progress& p) override {
    fmt::print(stderr, "{:.1f} s: {}, {} nodes left\n", p.elapsed, p.phase, p.open);
  }
};

struct Outcome {
  int label = 0;
  std::vector<double> rows;
  double load =
      0;  ///< seconds: reading, lowering, opening the device, from the start of the process
  double crown = 0;    ///< packing of weights, and the first pass over the neurons
  double neurons = 0;  ///< the pass with alpha
  double output = 0;   ///< the rows of the output
  std::int64_t unstable = 0;
  bool timed_out = false;
  std::string device;                                  ///< empty: the CPU alone
  std::map<std::string, std::uint64_t> device_memory;  ///< peak bytes by tensor class
};

void bound_once(const Arguments& arguments, const Graph& graph, const search::GraphBox& box,
                const bound::RowList& list, bound::Accelerator* accelerator,
                const Deadline& deadline, Outcome& outcome) {
  const Options& options = arguments.options;
  double began = elapsed_seconds();
  const auto lap = [&began] { return elapsed_seconds() - std::exchange(began, elapsed_seconds()); };
  Workers workers(options.threads);
  Stages stages;
  const auto prepare = [&](const Graph& g) {
    return std::make_unique<search::Prepared>(g, options, workers, deadline, stages, accelerator);
  };
  auto engine = prepare(graph);
  bound::RootSettings settings;
  settings.method = bound::method_of(options.method);
  settings.iterations = options.iterations;
  const bool two = settings.method == bound::Method::kAlpha && !arguments.plain;
  if (two) settings.method = bound::Method::kCrown;
  bound::Root root = bound_root(engine->context, box.lower, box.upper, settings);
  outcome.crown = lap();
  std::optional<bound::Reduced> reduced;
  std::unique_ptr<search::Prepared> smaller;
  if (two && !root.timed_out) {
    if (engine->net32.bytes() > 0) reduced = bound::drop_dead_neurons(graph, root.bounds);
    bound::Bounds known = std::move(root.bounds);
    if (reduced) {
      known = reduced->select(known);
      smaller = prepare(reduced->graph);
      engine.reset();
    }
    settings.method = bound::Method::kAlpha;
    settings.known = &known;
    root = bound_root((reduced ? smaller : engine)->context, box.lower, box.upper, settings);
  }
  outcome.neurons = lap();
  search::Prepared& last = reduced ? *smaller : *engine;
  if (settings.method == bound::Method::kInterval) {
    outcome.rows = interval_rows(last.net64, root.bounds, list);
  } else {
    bound::OptimiseSettings rows;
    rows.iterations = settings.method == bound::Method::kAlpha ? options.spec_iterations : 0;
    rows.lr = options.lr_alpha;
    rows.decay = options.lr_decay;
    rows.stop_positive = false;
    rows.converged = options.converged;
    const bound::RowBounds bounds = bound_rows(last.context, root, list, rows);
    outcome.rows = bounds.bound;
    outcome.timed_out = bounds.timed_out;
  }
  outcome.output = lap();
  outcome.timed_out |= root.timed_out;
  outcome.unstable = count_unstable(last.net64.graph(), root.bounds);
}

Outcome bound_label(const Arguments& arguments) {
  const Options& options = arguments.options;
  const Deadline deadline(options.timeout > 0 ? options.timeout : HUGE_VAL);
  std::optional<Model> model = Model::read(arguments.files[0]);
  const Graph graph = model->lower();
  const Signature signature = model->signature();
  model.reset();
  const Property property = read_vnnlib(arguments.files[1], signature);
  if (property.boxes.empty()) throw Error(ErrorKind::kBadInput, "the property has no box");
  search::GraphBox box = search::make_graph_box(graph, property.boxes.front());
  Outcome outcome;
  outcome.label = arguments.label >= 0 ? arguments.label : label_of(graph, box);
  const bound::RowList list = label_rows(graph, outcome.label);
  for (double& x : box.lower) x = bound::down(x);
  for (double& x : box.upper) x = bound::up(x);
  const auto accelerator = bound::open_accelerator(options, graph);
  outcome.load = elapsed_seconds();

  for (int i = 0; i < arguments.repeat; ++i) {
    bound_once(arguments, graph, box, list, accelerator.get(), deadline, outcome);
  }
  if (accelerator) {
    outcome.device = accelerator->name();
    outcome.device_memory = accelerator->memory();
  }
  return outcome;
}

void print(const Arguments& arguments, const Outcome& o) {
  const double seconds = o.crown + o.neurons + o.output;
  const double worst = *std::min_element(o.rows.begin(), o.rows.end());
  const double peak = static_cast<double>(peak_resident_bytes()) / 0x1p20;
  if (arguments.json) {
    nlohmann::ordered_json out;
    out["label"] = o.label;
    out["rows"] = o.rows;
    out["worst"] = worst;
    out["seconds"] = seconds;
    out["load_seconds"] = o.load;
    out["crown_seconds"] = o.crown;
    out["alpha_seconds"] = o.neurons;
    out["row_seconds"] = o.output;
    out["unstable"] = o.unstable;
    out["peak_mib"] = peak;
    out["timed_out"] = o.timed_out;
    if (!o.device.empty()) {
      out["device"] = o.device;
      out["device_memory"] = o.device_memory;
    }
    fmt::print("{}\n", out.dump());
    return;
  }
  fmt::print("label     {}\n", o.label);
  for (const double bound : o.rows) fmt::print("row       {:+.9g}\n", bound);
  fmt::print("worst     {:+.9g}{}\n", worst, o.timed_out ? " (time ran out)" : "");
  fmt::print("unstable  {}\n", o.unstable);
  fmt::print("seconds   {:.3f} (first pass {:.3f}, alpha {:.3f}, rows {:.3f}), loading {:.3f}\n",
             seconds, o.crown, o.neurons, o.output, o.load);
  fmt::print("peak      {:.1f} MiB resident\n", peak);
  if (o.device.empty()) return;
  fmt::print("device    {}\n", o.device);
  for (const auto& [tensor, bytes] : o.device_memory) {
    fmt::print("          {:<20} {:8.1f} MiB\n", tensor, static_cast<double>(bytes) / 0x1p20);
  }
}

int run(int argc, char** argv) {
  try {
    const Arguments arguments = read_arguments(argc, argv);
    const Outcome outcome = bound_label(arguments);
    print(arguments, outcome);
    return outcome.timed_out ? 1 : 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "alpha_bench: {}\n", error.what());
    return 2;
  }
}

}  // namespace
}  // namespace coronet

int main(int argc, char** argv) { return coronet::run(argc, argv); }
