#include <fmt/format.h>

#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "base/options.h"
#include "base/resources.h"
#include "cli/checkpoint_file.h"
#include "cli/commands.h"
#include "cli/exit_codes.h"
#include "cli/held_network.h"
#include "cli/launch.h"
#include "cli/options_cli.h"
#include "cli/plan_question.h"
#include "cli/progress_line.h"
#include "cli/query_files.h"
#include "cli/report.h"
#include "cli/row_ranks.h"
#include "cli/shared_neurons.h"
#include "cli/streams.h"
#include "cli/watchdog.h"
#include "cli/written_network.h"
#include "io/vnnlib.h"
#include "search/verify.h"
#include "search/verify_together.h"

namespace coronet::cli {

namespace {

struct VerifyArguments {
  std::vector<std::string> files;
  std::vector<std::string> networks;
  std::string progress = "auto";
  ReportSettings report;
  CheckpointSettings checkpoint;
  Options options;
};

constexpr const char* kFooter = R"(
The first line of standard output is the verdict:
  unsat      no input satisfies the query: for the usual robustness query, the property holds
  sat        one does; it follows in VNN-LIB's form
  unknown    neither was found; the reason is on standard error and in the JSON result
  timed-out  the time ran out first ("timeout" in the result file, as VNN-COMP has it)

Exit codes: 0 sat or unsat, 1 internal error, 2 bad input, 3 unsupported, 4 out of memory,
5 another rank failed, 10 unknown, 11 timed out.

A search that is interrupted (SIGINT, SIGTERM) or timed out goes on from its checkpoint:
  coronet verify net.onnx property.vnnlib --timeout 3600 --checkpoint run.ckpt
  coronet verify net.onnx property.vnnlib --timeout 7200 --checkpoint run.ckpt --resume run.ckpt
The second form also begins a search where run.ckpt is not there yet. A second signal kills.

Examples:
  coronet verify net.onnx property.vnnlib --timeout 60
  coronet verify query.vnnlib --network N=net.onnx --timeout 60 --result out.txt
  coronet verify net.onnx.gz property.vnnlib.gz --json out.json --progress json
  coronet verify net.onnx property.vnnlib --branch none      # only what the bounds prove
  mpirun -n 4 coronet verify net.onnx property.vnnlib        # rows shared by four processes
  mpirun -n 4 coronet verify net.onnx property.vnnlib --mesh tensor=4   # neurons: each has a quarter of the network
)";

/// Is this the network that the query declares? Only VNN-LIB 2 names it.
void check_names(const std::vector<NamedModel>& networks, const Property& property) {
  const std::string& declared = property.network;
  if (networks.size() > 1) {
    throw Error(ErrorKind::kBadInput,
                fmt::format("the query has one network{}, but --network is given {} times",
                            declared.empty() ? "" : ", " + declared, networks.size()));
  }
  const std::string& given = networks.front().name;
  if (!declared.empty() && !given.empty() && given != declared) {
    throw Error(ErrorKind::kBadInput,
                fmt::format("--network {}=...: the query's network is called {}", given, declared));
  }
}

Result verify_files(const QueryFiles& files, const Options& options, CheckpointFile& checkpoint,
                    Report& report, Tracer& tracer, comm::Channel* channel, const Mesh& mesh) {
  search::Continuation continuation = checkpoint.continuation();
  WrittenNetwork written(files.networks.front().path);
  HeldNetwork network(written.model(), channel, options, mesh);
  const Graph& graph = network.graph();
  const Property& property = report.keep(read_vnnlib(files.property, written.model().signature()));
  check_names(files.networks, property);
  check_import(written.model(), graph, options.seed,
               property.boxes.empty() ? nullptr : property.boxes.data());
  written.release_if_large(graph);
  const search::Evaluate evaluate = [&](const std::vector<double>& x) {
    return written.enclose(x);
  };
  Result result;
  double loaded = elapsed_seconds();
  if (mesh.tensor > 1) {
    Graph share = graph;  // of which the weights are taken
    bound::TensorRun run = join_neurons(*channel, mesh, share, options);
    loaded = elapsed_seconds();
    result = search::verify_together(run, graph, property, evaluate, options, tracer);
    run.more(false);
  } else {
    LedRanks ranks(channel, network, options);
    result = search::verify(graph, property, evaluate, options, tracer, std::move(continuation),
                            ranks.get(), &network.ledger());
    ranks.end(network.ledger());
    result.ranks = ranks.reports();
    result.checkpoint = checkpoint.written();
  }
  result.phases.insert(result.phases.begin(), {"load", loaded});
  return result;
}

/// While it lives, a verdict for want of time, of memory or of patience sends the other ranks home
/// before it ends the process.
class EarlyLeave {
 public:
  EarlyLeave(Report& report, comm::Channel* channel) : report_(report) {
    if (channel != nullptr) report_.before_early_end([channel] { channel->leave(); });
  }
  ~EarlyLeave() { report_.before_early_end(nullptr); }
  EarlyLeave(const EarlyLeave&) = delete;
  EarlyLeave& operator=(const EarlyLeave&) = delete;

 private:
  Report& report_;
};

/// Ranks that share the neurons split inputs, no neurons, and keep no state. Throws
/// Error(kBadInput) where anything else is asked for.
void check_shared_search(const VerifyArguments& arguments) {
  const Options& options = arguments.options;
  if (options.branch == "relu") {
    throw Error(
        ErrorKind::kBadInput,
        fmt::format(
            "--branch relu: ranks that share the neurons (--mesh {}) split inputs only; use "
            "--branch auto, input or none, or --mesh rows={}",
            options.mesh, read_mesh(options.mesh).ranks()));
  }
  if (!arguments.checkpoint.file.empty() || !arguments.checkpoint.resume.empty()) {
    throw Error(ErrorKind::kBadInput,
                fmt::format("--checkpoint, --resume: ranks that share the neurons (--mesh {}) keep "
                            "no state of their search",
                            options.mesh));
  }
  if (options.device.starts_with("cuda")) {
    throw Error(ErrorKind::kBadInput,
                fmt::format("--device {}: CPUs verify with --mesh {}, GPUs share neurons for "
                            "`coronet bounds`; use --device cpu, or rows={}",
                            options.device, options.mesh, read_mesh(options.mesh).ranks()));
  }
}

int verify(const VerifyArguments& arguments) {
  Options options = arguments.options;
  QueryFiles files;
  comm::Launch launch;
  Mesh mesh;
  std::string problem;
  try {
    launch = launch_of(options);
    mesh = mesh_of(options, launch);
    if (mesh.tensor > 1) {
      check_shared_search(arguments);
      options.device = "cpu";
    }
    files = query_files(arguments.files, arguments.networks);
  } catch (const Error& error) {
    problem = error.what();
  }
  const auto serve = [&](comm::Channel& channel, const Options& mine) {
    const std::string& path = files.networks.front().path;
    if (mesh.tensor > 1) {
      serve_neurons(channel, mesh, path, mine);
    } else {
      serve_network(channel, path, mine);
    }
  };
  if (launch.rank != 0) {
    // What is wrong with the files, the leader says.
    return problem.empty() ? run_serving(launch, options, serve) : kBadInput;
  }
  ReportSettings settings = arguments.report;
  settings.property = files.property;
  if (!files.networks.empty()) settings.network = files.networks.front().path;
  ProgressLine progress(settings.quiet ? ProgressStyle::kNone : progress_style(arguments.progress));
  Report report(settings, options, progress);
  if (!problem.empty()) return report.failed(ErrorKind::kBadInput, problem);

  CheckpointSettings checkpoint_settings = arguments.checkpoint;
  checkpoint_settings.quiet = settings.quiet;
  CheckpointFile checkpoint(std::move(checkpoint_settings));
  const Watchdog watchdog(options, report, progress, checkpoint);
  int exit_code = kInternal;
  try {
    const auto lead = [&](comm::Channel* channel, const Options& mine) {
      const EarlyLeave leave(report, channel);
      exit_code =
          report.decided(verify_files(files, mine, checkpoint, report, progress, channel, mesh));
    };
    run_leading(launch, options, lead, serve);
    return exit_code;
  } catch (const Error& error) {
    return report.failed(error.kind(), error.what());
  } catch (const std::bad_alloc&) {
    return report.failed(
        ErrorKind::kOutOfMemory,
        options.memory_gib > 0
            ? fmt::format("an allocation went beyond --memory-gib {}", options.memory_gib)
            : "an allocation failed");
  } catch (const std::exception& error) {
    return report.failed(ErrorKind::kInternal, error.what());
  }
}

}  // namespace

void add_verify(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand(
      "verify", "decide a property: unsat (it holds), sat (with a counterexample) or unknown");
  auto arguments = std::make_shared<VerifyArguments>();
  command
      ->add_option("FILES", arguments->files,
                   "the query (.vnnlib, .vnnlib.gz), and in the short form the network beside it "
                   "(.onnx, .onnx.gz)")
      ->required()
      ->type_name("");
  command
      ->add_option("--network", arguments->networks,
                   "the model of the network that the query declares as NAME (any name for VNN-LIB "
                   "1.0)")
      ->type_name("NAME=MODEL")
      ->allow_extra_args(false)
      ->group("Query");
  const char* output = "Output";
  command
      ->add_option("--result", arguments->report.result_file,
                   "write the verdict and the counterexample in VNN-COMP's format")
      ->type_name("FILE")
      ->group(output);
  command
      ->add_option(
          "--json", arguments->report.json_file,
          "write everything: verdict, reason, bounds of all clauses, times, memory, options")
      ->type_name("FILE")
      ->group(output);
  command
      ->add_option(
          "--progress", arguments->progress,
          "on standard error: line (a live line), json (an object a second), none; auto: a "
          "line on a terminal")
      ->type_name("WORD")
      ->check(CLI::IsMember({"auto", "line", "json", "none"}))
      ->capture_default_str()
      ->group(output);
  command->add_flag("--quiet", arguments->report.quiet, "nothing on standard error but errors")
      ->group(output);
  const char* checkpoints = "Checkpoints: nothing lost on a signal, or on running out of time";
  command
      ->add_option("--checkpoint", arguments->checkpoint.file,
                   "write the state of the search every --checkpoint-minutes, at SIGINT and "
                   "SIGTERM, and where it ends undecided")
      ->type_name("FILE")
      ->group(checkpoints);
  command
      ->add_option("--checkpoint-minutes", arguments->checkpoint.minutes,
                   "how often, while the search goes on")
      ->type_name("N")
      ->check(CLI::PositiveNumber)
      ->capture_default_str()
      ->group(checkpoints);
  command
      ->add_option("--resume", arguments->checkpoint.resume,
                   "go on from this state, of the same network and property; where it is also the "
                   "file of --checkpoint and not there yet, begin")
      ->type_name("FILE")
      ->group(checkpoints);
  add_options(*command, arguments->options, {"limits", "bounds", "search"});
  command->footer(kFooter);
  command->callback([arguments, &exit_code] { exit_code = verify(*arguments); });
}

}  // namespace coronet::cli
