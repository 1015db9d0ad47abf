#include "cli/plan_report.h"

#include <fmt/format.h>

#include <cstddef>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "cli/graph_words.h"
#include "cli/memory_words.h"
#include "cli/table.h"

namespace coronet::cli {

namespace {

using plan::Phase;
using plan::RunPlan;

/// Matrices as [out, in], convolutions as [out, in, height, width].
std::string weight_shape(const Node& node) {
  if (const Dense* dense = std::get_if<Dense>(&node.op))
    return shape_words({dense->out, dense->in});
  const Conv& conv = std::get<Conv>(node.op);
  return shape_words(
      {conv.out.channels, conv.in.channels / conv.groups, conv.kernel_h, conv.kernel_w});
}

std::string weights_table(const Graph& graph, const RunPlan& plan) {
  Table table({">node", "operator", "weight", ">MiB", ">here", "name"});
  for (const plan::WeightPlan& w : plan.weights) {
    const Node& node = graph.nodes[static_cast<std::size_t>(w.node)];
    table.row({std::to_string(w.node), operator_name(node.op), weight_shape(node),
               mib_words(w.bytes), mib_words(w.here), w.name});
  }
  return table.text();
}

std::string phases_table(const RunPlan& plan) {
  std::vector<std::string> titles = {"at most, MiB"};
  for (const Phase& phase : plan.phases) titles.push_back(">" + phase.name);
  Table table(titles);
  const auto row = [&](const char* name, const auto& bytes) {
    std::vector<std::string> cells = {name};
    bool any = false;
    for (const Phase& phase : plan.phases) {
      any = any || bytes(phase) > 0;
      cells.push_back(mib_words(bytes(phase)));
    }
    if (any) table.row(std::move(cells));
  };
  if (!plan.device) row("process", [&](const Phase&) { return plan.process_bytes(); });
  for (int i = 0; i < kMemoryClasses; ++i) {
    row(name_of(memory_class(i)), [i](const Phase& phase) { return phase.bytes[i]; });
  }
  for (std::size_t t = 0; t < cuda::kTensors; ++t) {
    row(cuda::name_of(static_cast<cuda::Tensor>(t)),
        [t](const Phase& phase) { return phase.device[t]; });
  }
  row("all", [&](const Phase& phase) { return plan.process_bytes() + phase.total; });
  return table.text();
}

/// Of each kind and node in a phase, in the order in which they come.
std::string transfers_table(const RunPlan& plan) {
  Table table({"phase", ">node", "what ranks tell each other", ">MiB a rank", ">letters"});
  bool any = false;
  for (const Phase& phase : plan.phases) {
    std::vector<plan::Transfer> sums;
    for (const plan::Transfer& t : phase.transfers) {
      plan::Transfer* sum = nullptr;
      for (plan::Transfer& s : sums) {
        if (s.node == t.node && s.via == t.via) sum = &s;
      }
      if (sum == nullptr) {
        sums.push_back(t);
      } else {
        sum->bytes += t.bytes;
        sum->letters += t.letters;
      }
    }
    for (const plan::Transfer& t : sums) {
      any = true;
      table.row({phase.name, std::to_string(t.node), plan::name_of(t.via), mib_words(t.bytes),
                 fmt::format("{:.0f}", t.letters)});
    }
  }
  return any ? "\n" + table.text() : "";
}

/// Of the phase's time, what its transfers take beyond its products.
double exposed_share(const Phase& phase) {
  return phase.seconds() > 0 ? phase.exposed_seconds() / phase.seconds() : 0;
}

/// How the weights are dealt, as on the command line.
std::string placement_words(const plan::Question& question, const RunPlan& plan) {
  return plan.mesh.tensor > 1 ? fmt::format("--zones {}", question.zones)
                              : fmt::format("--weights {}", plan::name_of(plan.place));
}

}  // namespace

std::string plan_text(const PlanReport& report) {
  const auto& [graph, question, plan, search] = report;
  std::string text = fmt::format(
      "--mesh {} {}: {} rank{} of {} thread{}{}; at most {} MiB on each{}; about {:.3g} s\n\n",
      words_of(plan.mesh), placement_words(question, plan), question.ranks,
      question.ranks == 1 ? "" : "s", question.threads, question.threads == 1 ? "" : "s",
      plan.device ? " and a GPU" : "", mib_words(plan.peak_bytes()),
      question.memory == 0 ? " GPU"
                           : fmt::format("{} of {} MiB that it may use", plan.device ? " GPU" : "",
                                         mib_words(question.memory)),
      plan.seconds());
  text += weights_table(graph, plan) + "\n" + phases_table(plan) + transfers_table(plan) + "\n";
  Table times({"seconds", ">products", ">transfers", ">both", ">not hidden"});
  for (const Phase& phase : plan.phases) {
    times.row({phase.name, fmt::format("{:.3g}", phase.compute_seconds),
               fmt::format("{:.3g}", phase.transfer_seconds),
               fmt::format("{:.3g}", phase.seconds()),
               fmt::format("{:.0f} %", 100 * exposed_share(phase))});
  }
  text += times.text();
  if (!search) return text;
  return text +
         fmt::format(
             "\nsearch: batches of {} domains a thread; {} bytes an open domain, {} if all "
             "neurons were unstable; {} open were planned, {} of all ranks fit; about {:.0f} "
             "domains/s of a rank\n",
             search->batch, search->domain, search->domain_most, search->open, search->fit,
             search->domains_a_second);
}

std::string plan_json(const PlanReport& report, const std::map<std::string, std::string>& extra) {
  const auto& [graph, question, plan, search] = report;
  using Json = nlohmann::ordered_json;
  Json out;
  out["run"] = extra;
  out["mesh"] = words_of(plan.mesh);
  if (plan.mesh.tensor > 1) {
    out["zones"] = question.zones;
  } else {
    out["weights"] = plan::name_of(plan.place);
  }
  out["ranks"] = question.ranks;
  out["threads"] = question.threads;
  out["device"] = plan.device;
  out["memory_bytes"] = question.memory;
  out["peak_bytes"] = plan.peak_bytes();
  out["seconds"] = plan.seconds();
  out["placement"] = Json::array();
  for (const plan::WeightPlan& w : plan.weights) {
    const Node& node = graph.nodes[static_cast<std::size_t>(w.node)];
    out["placement"].push_back({{"node", w.node},
                                {"name", w.name},
                                {"operator", operator_name(node.op)},
                                {"weight", weight_shape(node)},
                                {"bytes", w.bytes},
                                {"bytes_here", w.here}});
  }
  out["phases"] = Json::array();
  for (const Phase& phase : plan.phases) {
    Json one;
    one["name"] = phase.name;
    if (!plan.device) one["bytes"]["process"] = plan.process_bytes();
    for (int i = 0; i < kMemoryClasses; ++i) {
      if (phase.bytes[i] > 0) one["bytes"][name_of(memory_class(i))] = phase.bytes[i];
    }
    for (std::size_t t = 0; t < cuda::kTensors; ++t) {
      if (phase.device[t] == 0) continue;
      one["bytes"][cuda::name_of(static_cast<cuda::Tensor>(t))] = phase.device[t];
    }
    one["bytes"]["all"] = plan.process_bytes() + phase.total;
    one["products32"] = phase.work.products32();
    one["products64"] = phase.work.products64();
    one["elements32"] = phase.work.elements32;
    one["elements64"] = phase.work.elements64;
    one["slope_bytes"] = phase.work.slopes;
    one["transfers"] = Json::array();
    for (const plan::Transfer& t : phase.transfers) {
      one["transfers"].push_back({{"node", t.node},
                                  {"kind", plan::name_of(t.via)},
                                  {"bytes", t.bytes},
                                  {"letters", t.letters}});
    }
    one["compute_seconds"] = phase.compute_seconds;
    one["transfer_seconds"] = phase.transfer_seconds;
    one["exposed_seconds"] = phase.exposed_seconds();
    one["seconds"] = phase.seconds();
    out["phases"].push_back(std::move(one));
  }
  if (search) {
    out["search"] = {{"batch", search->batch},
                     {"domain_bytes", search->domain},
                     {"domain_bytes_at_most", search->domain_most},
                     {"open", search->open},
                     {"open_that_fit", search->fit},
                     {"domains_a_second", search->domains_a_second}};
  }
  return out.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace coronet::cli
