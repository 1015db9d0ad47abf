#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "bound/supposed.h"
#include "cli/commands.h"
#include "cli/exit_codes.h"
#include "cli/launch.h"
#include "cli/options_cli.h"
#include "cli/plan_question.h"
#include "cli/plan_report.h"
#include "cli/query_files.h"
#include "cli/streams.h"
#include "graph/evaluate.h"
#include "io/file.h"
#include "io/onnx.h"
#include "io/vnnlib.h"
#include "search/spec.h"
#include "spec/mesh.h"

namespace coronet::cli {

namespace {

struct PlanArguments {
  std::vector<std::string> files;
  std::string json_file;
  std::string link = "threads";
  bool search = false;
  std::uint64_t open = 10000;
  double unstable = 0.25;
  plan::CostModel cost;
  Options options;
};

constexpr const char* kFooter = R"(
Nothing is run. The plan is of bounds of all nodes over the property's box by ranks that share rows: on CPUs,
where no large weight is read, or with --device cuda on a GPU each, where all bytes are the GPU's, --memory is what
each may hold, and weights are read a few times to see which neurons are dead (no GPU is needed for that). On CPUs
ranks may share neurons too (--mesh tensor=T); with --search, what is planned is coronet verify. docs/plan.md says
what is counted and how time is estimated.

Examples:
  coronet plan net.onnx property.vnnlib --ranks 8 --memory 40GiB
  coronet plan net.onnx property.vnnlib --ranks 4 --threads 8 --memory 512MiB --method alpha --weights fsdp
  coronet plan net.onnx property.vnnlib --mesh tensor=4 --link tcp
  coronet plan net.onnx property.vnnlib --method alpha --search --open 100000 --memory 4GiB
  coronet plan net.onnx property.vnnlib --ranks 64 --link tcp --bandwidth 25e9 --latency 5e-6
  coronet plan net.onnx property.vnnlib --ranks 4 --device cuda --memory 8GiB --method alpha --iterations 20
)";

/// The mesh of the run that is planned: of --ranks, or of as many as --mesh has.
Mesh planned_mesh(const Options& options) {
  comm::Launch launch;
  const bool by_mesh = options.ranks == 0 && !options.mesh.empty() && !planned(options);
  launch.ranks = by_mesh ? read_mesh(options.mesh).ranks() : std::max(1, options.ranks);
  return mesh_of(options, launch);
}

/// Of all nodes in the middle of the box, where the plan asks for them.
std::vector<std::vector<double>> middle_values(const Graph& graph, const plan::Question& question,
                                               bool search, const Box& box) {
  const bool wanted =
      question.method == bound::Method::kAlpha && question.tensor == 1 &&
      (search || std::any_of(graph.nodes.begin(), graph.nodes.end(), [](const Node& node) {
         return std::holds_alternative<Conv>(node.op);
       }));
  if (!wanted) return {};
  std::vector<double> x(box.lower.size());
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = box.lower[i] / 2 + box.upper[i] / 2;
  return evaluate_nodes(graph, x);
}

/// What rows on a GPU will find dead and stable, about.
std::shared_ptr<const bound::Root> supposed_of(const Graph& graph, const plan::Question& question,
                                               const Box& box) {
  const search::GraphBox about = search::make_graph_box(graph, box);
  Workers workers(question.threads);
  return std::make_shared<const bound::Root>(
      bound::supposed_root(graph, about.lower, about.upper, workers));
}

void check_planned(const PlanArguments& arguments, const Mesh& mesh) {
  const Options& options = arguments.options;
  const auto refuse = [](const std::string& what) { throw Error(ErrorKind::kBadInput, what); };
  if (options.device.starts_with("cuda") && (arguments.search || mesh.tensor > 1)) {
    refuse(
        fmt::format("--device {}: of ranks with GPUs what is planned is bounds over shared rows; "
                    "searches, and ranks that share the neurons, are planned on CPUs",
                    options.device));
  }
  if (arguments.search && mesh.tensor > 1) {
    refuse(
        fmt::format("--search: what ranks that share the neurons (--mesh {}) split is not planned",
                    options.mesh));
  }
}

int print_plan(const PlanArguments& arguments) {
  const Options& options = arguments.options;
  const QueryFiles files = query_files(arguments.files, {});
  const Mesh mesh = planned_mesh(options);
  check_planned(arguments, mesh);
  plan::Question question = plan_question(options, mesh.ranks());
  question.tensor = mesh.tensor;
  question.zones = options.zones;
  question.cost = arguments.cost;
  question.one_host = arguments.link != "hosts";
  question.processes = arguments.link != "threads";
  // Ranks that share neurons have the weights in one way.
  const std::vector<plan::Place> places =
      mesh.tensor > 1 ? std::vector{plan::Place::kReplicated} : places_of(options);
  const std::string& network = files.networks.front().path;
  const Model model = Model::read(network);
  const Graph graph = model.lower(Model::Numbers::kInFile);
  const Property property = read_vnnlib(files.property, model.signature());
  bool several = false;
  std::vector<int> forms(std::max<std::size_t>(1, property.boxes.size()), 0);
  for (const Clause& clause : property.clauses) {
    forms[static_cast<std::size_t>(clause.box)] += static_cast<int>(clause.constraints.size());
    several = several || clause.constraints.size() > 1;
    for (const Constraint& c : clause.constraints) question.input_terms |= !c.inputs.empty();
  }
  question.forms = *std::max_element(forms.begin(), forms.end());
  if (!property.boxes.empty()) {
    if (question.device) {
      question.supposed = supposed_of(graph, question, property.boxes[0]);
    } else {
      question.values = middle_values(graph, question, arguments.search, property.boxes[0]);
    }
  }
  PlanReport report{graph, question, plan::choose_run_plan(graph, question, places), {}};
  if (arguments.search) {
    plan::SearchQuestion asked;
    asked.run.options = options;
    asked.run.forms = question.forms;
    asked.run.several = several;
    asked.run.input_terms = question.input_terms;
    asked.run.values = question.values;
    asked.run.unstable = arguments.unstable;
    asked.open = arguments.open;
    report.search = add_search(report.plan, graph, question, asked);
  }
  const bool good = say(plan_text(report));
  if (!arguments.json_file.empty()) {
    write_file(arguments.json_file, plan_json(report, {{"network", network},
                                                       {"property", files.property},
                                                       {"version", CORONET_VERSION}}));
  }
  if (!good) throw Error(ErrorKind::kBadInput, "standard output cannot be written");
  return kDecided;
}

}  // namespace

void add_plan(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand(
      "plan", "what each rank of a run would hold, tell the others and take, without running it");
  auto arguments = std::make_shared<PlanArguments>();
  arguments->options.method = "crown";
  command->add_option("FILES", arguments->files, "network and property, in either order")
      ->required()
      ->type_name("");
  const char* search = "Branch and bound";
  command
      ->add_flag("--search", arguments->search,
                 "plan `coronet verify`: its root, and branch and bound over neurons")
      ->group(search);
  command->add_option("--open", arguments->open, "open domains of a rank")
      ->type_name("N")
      ->capture_default_str()
      ->group(search);
  command
      ->add_option("--unstable", arguments->unstable,
                   "of all ReLUs, the share that the root leaves unstable")
      ->check(CLI::Range(0.0, 1.0))
      ->type_name("SHARE")
      ->capture_default_str()
      ->group(search);
  command->add_option("--json", arguments->json_file, "write the plan as JSON")->type_name("FILE");
  const char* model = "Cost model";
  command
      ->add_option(
          "--link", arguments->link,
          "how ranks are joined: threads of one process, tcp for processes of one host, or "
          "hosts; the constants below that are not given are those of this link")
      ->check(CLI::IsMember({"threads", "tcp", "hosts"}))
      ->type_name("WORD")
      ->capture_default_str()
      ->group(model);
  struct Constant {
    const char* flag;
    double& (*of)(plan::CostModel&);
    const char* help;
  };
#define CORONET_OF(member) [](plan::CostModel& cost) -> double& { return cost.member; }
  const std::vector<Constant> constants = {
      {"--rate32", CORONET_OF(products32), "products of a thread in a second, in float32"},
      {"--rate64", CORONET_OF(products64), "and in double"},
      {"--conv-rate", CORONET_OF(convolutions), "of these, what a convolution's are"},
      {"--element-rate", CORONET_OF(elements),
       "numbers of a thread in a second that pass ReLUs and the like"},
      {"--slope-rate", CORONET_OF(slopes), "bytes of slopes that a thread takes in a second"},
      {"--column-rate", CORONET_OF(columns), "products with one column in a second"},
      {"--bandwidth", CORONET_OF(bandwidth), "bytes a second that a rank gets from others"},
      {"--latency", CORONET_OF(latency), "seconds of a letter and its answer"},
      {"--exchange-rate", CORONET_OF(exchange),
       "bytes a second that a thread tells others which share the neurons"},
      {"--meeting", CORONET_OF(meeting), "seconds of each letter of theirs"},
      {"--file-rate", CORONET_OF(file), "bytes a second that a rank reads from the file"},
      {"--gpu-tf32", CORONET_OF(gpu.tf32), "products of a GPU in a second, in TF32 or BF16"},
      {"--gpu-fp32", CORONET_OF(gpu.fp32), "in float32"},
      {"--gpu-fp64", CORONET_OF(gpu.fp64), "and in double"},
      {"--gpu-conv", CORONET_OF(gpu.conv), "of these, what a convolution's are"},
      {"--gpu-memory", CORONET_OF(gpu.memory), "bytes a second that its kernels read and write"},
      {"--gpu-launch", CORONET_OF(gpu.launch), "seconds that a kernel takes at least"},
      {"--gpu-peer", CORONET_OF(gpu.peer), "bytes a second that a GPU gets from others"},
      {"--gpu-host", CORONET_OF(gpu.host), "and from its host"},
      {"--gpu-start", CORONET_OF(gpu.start),
       "seconds of loading the kernels of an arithmetic that nothing hides"}};
#undef CORONET_OF
  auto given = std::make_shared<plan::CostModel>();
  for (const Constant& c : constants) {
    command->add_option(c.flag, c.of(*given), c.help)
        ->check(CLI::PositiveNumber)
        ->type_name("N")
        ->group(model);
  }
  add_options(*command, arguments->options, {"limits", "bounds", "search"});
  command->footer(kFooter);
  command->callback([arguments, given, constants, command, &exit_code] {
    arguments->cost = arguments->link == "hosts" ? plan::CostModel::hosts()
                      : arguments->link == "tcp" ? plan::CostModel::tcp()
                                                 : plan::CostModel::threads();
    for (const Constant& c : constants) {
      if (command->count(c.flag) > 0) c.of(arguments->cost) = c.of(*given);
    }
    if (command->count("--spec-iterations") == 0) {
      arguments->options.spec_iterations = arguments->options.iterations;
    }
    exit_code = print_plan(*arguments);
  });
}

}  // namespace coronet::cli
