#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "bound/supposed.h"
#include "cli/commands.h"
#include "cli/exit_codes.h"
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

namespace coronet::cli {

namespace {

struct PlanArguments {
  std::vector<std::string> files;
  std::string json_file;
  std::string link = "threads";
  plan::CostModel cost;
  Options options;
};

constexpr const char* kFooter = R"(
Nothing is run. The plan is of bounds of all nodes over the property's box by ranks that share rows: on CPUs,
where no large weight is read, or with --device cuda on a GPU each, where all bytes are the GPU's, --memory is what
each may hold, and weights are read a few times to see which neurons are dead (no GPU is needed for that);
docs/plan.md says what is counted and how time is estimated.

Examples:
  coronet plan net.onnx property.vnnlib --ranks 8 --memory 40GiB
  coronet plan net.onnx property.vnnlib --ranks 4 --threads 8 --memory 512MiB --method alpha --weights fsdp
  coronet plan net.onnx property.vnnlib --ranks 64 --link tcp --bandwidth 25e9 --latency 5e-6
  coronet plan net.onnx property.vnnlib --ranks 4 --device cuda --memory 8GiB --method alpha --iterations 20
)";

/// The ranks of the plan: those of the mesh, or of --ranks.
int ranks_of(const Options& options) {
  if (options.zones > 0) {
    throw Error(
        ErrorKind::kBadInput,
        fmt::format("--zones {}: ranks that share the neurons are not planned", options.zones));
  }
  if (planned(options) || options.mesh.empty()) return std::max(1, options.ranks);
  const Mesh mesh = read_mesh(options.mesh);
  if (mesh.tensor > 1 || mesh.domains > 1) {
    throw Error(ErrorKind::kBadInput,
                fmt::format("--mesh {}: what is planned is ranks that share rows; what a rank of "
                            "another mesh holds, `coronet bounds` reports",
                            options.mesh));
  }
  if (options.ranks > 0 && options.ranks != mesh.ranks()) {
    throw Error(ErrorKind::kBadInput, fmt::format("--mesh {}: that is {} ranks, --ranks says {}",
                                                  options.mesh, mesh.ranks(), options.ranks));
  }
  return mesh.ranks();
}

/// Of all nodes in the middle of the box, where the plan asks for them.
std::vector<std::vector<double>> middle_values(const Graph& graph, const plan::Question& question,
                                               const Box& box) {
  const bool wanted = question.method == bound::Method::kAlpha &&
                      std::any_of(graph.nodes.begin(), graph.nodes.end(), [](const Node& node) {
                        return std::holds_alternative<Conv>(node.op);
                      });
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

int print_plan(const PlanArguments& arguments) {
  const Options& options = arguments.options;
  const QueryFiles files = query_files(arguments.files, {});
  plan::Question question = plan_question(options, ranks_of(options));
  question.cost = arguments.cost;
  question.one_host = arguments.link != "hosts";
  question.processes = arguments.link != "threads";
  const std::vector<plan::Place> places = places_of(options);
  const std::string& network = files.networks.front().path;
  const Model model = Model::read(network);
  const Graph graph = model.lower(Model::Numbers::kInFile);
  const Property property = read_vnnlib(files.property, model.signature());
  std::vector<int> forms(std::max<std::size_t>(1, property.boxes.size()), 0);
  for (const Clause& clause : property.clauses) {
    forms[static_cast<std::size_t>(clause.box)] += static_cast<int>(clause.constraints.size());
    for (const Constraint& c : clause.constraints) question.input_terms |= !c.inputs.empty();
  }
  question.forms = *std::max_element(forms.begin(), forms.end());
  if (!property.boxes.empty()) {
    if (question.device) {
      question.supposed = supposed_of(graph, question, property.boxes[0]);
    } else {
      question.values = middle_values(graph, question, property.boxes[0]);
    }
  }
  const plan::RunPlan made = plan::choose_run_plan(graph, question, places);
  const bool good = say(plan_text(graph, question, made));
  if (!arguments.json_file.empty()) {
    write_file(arguments.json_file, plan_json(graph, question, made,
                                              {{"network", network},
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
      {"--column-rate", CORONET_OF(columns), "and with one column"},
      {"--bandwidth", CORONET_OF(bandwidth), "bytes a second that a rank gets from others"},
      {"--latency", CORONET_OF(latency), "seconds of a letter and its answer"},
      {"--file-rate", CORONET_OF(file), "bytes a second that a rank reads from the file"},
      {"--gpu-tf32", CORONET_OF(gpu.tf32), "products of a GPU in a second, in TF32 or BF16"},
      {"--gpu-fp32", CORONET_OF(gpu.fp32), "in float32"},
      {"--gpu-fp64", CORONET_OF(gpu.fp64), "and in double"},
      {"--gpu-conv", CORONET_OF(gpu.conv), "of these, what a convolution's are"},
      {"--gpu-memory", CORONET_OF(gpu.memory), "bytes a second that its kernels read and write"},
      {"--gpu-launch", CORONET_OF(gpu.launch), "seconds that a kernel takes at least"},
      {"--gpu-peer", CORONET_OF(gpu.peer), "bytes a second that a GPU gets from others"},
      {"--gpu-host", CORONET_OF(gpu.host), "and from its host"},
      {"--gpu-start", CORONET_OF(gpu.start), "seconds until the kernels of an arithmetic are loaded"}};
#undef CORONET_OF
  auto given = std::make_shared<plan::CostModel>();
  for (const Constant& c : constants) {
    command->add_option(c.flag, c.of(*given), c.help)
        ->check(CLI::PositiveNumber)
        ->type_name("N")
        ->group(model);
  }
  add_options(*command, arguments->options, {"limits", "bounds"});
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
