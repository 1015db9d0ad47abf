#include "cli/bounds_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <variant>

#include "base/resources.h"
#include "cli/graph_words.h"
#include "cli/memory_words.h"
#include "cli/row_ranks.h"
#include "cli/shared_neurons.h"
#include "cli/table.h"
#include "io/npz.h"
#include "io/ranks_json.h"

namespace coronet::cli {

namespace {

std::vector<long long> shape_of(const Node& node) {
  if (!node.shape.image()) return {node.shape.channels};
  return {node.shape.height, node.shape.width, node.shape.channels};
}

std::string number(double value) { return fmt::format("{:.6g}", value + 0.0); }  // no -0

}  // namespace

std::int64_t unstable(const Graph& graph, const bound::Bounds& bounds, int v) {
  const Node& node = graph.nodes[v];
  if (!std::holds_alternative<Relu>(node.op)) return 0;
  const auto& lo = bounds.lo[node.inputs[0]];
  const auto& hi = bounds.hi[node.inputs[0]];
  std::int64_t count = 0;
  for (std::size_t i = 0; i < lo.size(); ++i) count += lo[i] < 0 && hi[i] > 0;
  return count;
}

std::string bounds_table(const BoundsReport& report) {
  Table nodes({">node", "operator", "shape", ">unstable", ">min lower", ">max upper", ">mean width",
               "name"});
  std::int64_t total = 0;
  for (int v = 0; v < static_cast<int>(report.graph.nodes.size()); ++v) {
    const Node& node = report.graph.nodes[v];
    const auto& lo = report.found.bounds.lo[v];
    const auto& hi = report.found.bounds.hi[v];
    double width = 0;
    for (std::size_t i = 0; i < lo.size(); ++i) width += hi[i] - lo[i];
    const std::int64_t open = unstable(report.graph, report.found.bounds, v);
    total += open;
    nodes.row({std::to_string(v), operator_name(node.op), shape_words(shape_of(node)),
               std::holds_alternative<Relu>(node.op) ? std::to_string(open) : "",
               number(*std::min_element(lo.begin(), lo.end())),
               number(*std::max_element(hi.begin(), hi.end())),
               number(width / static_cast<double>(lo.size())), node.name});
  }
  std::string text = nodes.text();
  text += fmt::format("unstable ReLUs: {}; {:.3f} s; peak memory {:.0f} MiB\n", total,
                      report.found.seconds, static_cast<double>(peak_resident_bytes()) / 0x1p20);
  text += rank_words(report.found.ranks);
  std::vector<MemoryUsage> memory;
  for (const RankReport& rank : report.found.ranks) memory.push_back(rank.memory);
  if (memory.empty()) memory.push_back(report.found.memory);
  text += memory_table(memory);
  text += share_words(report.found);
  if (report.rows.empty()) return text;
  Table rows({">clause", ">lower bound", "", "of"});
  for (const RowReport& row : report.rows) {
    rows.row({row.clause < 0 ? "" : std::to_string(row.clause), number(row.lower),
              row.proves ? "proved" : "", row.form});
  }
  return text + "\n" + rows.text() + fmt::format("{:.3f} s\n", report.found.form_seconds);
}

std::string bounds_json(const BoundsReport& report, const Options& options,
                        const std::map<std::string, std::string>& extra) {
  nlohmann::ordered_json out;
  out["run"] = extra;
  out["method"] = options.method;
  out["iterations"] = options.iterations;
  out["spec_iterations"] = options.spec_iterations;
  out["slope"] = options.slope;
  if (options.zones > 0) out["zones"] = options.zones;
  out["box"] = report.box;
  out["seconds"] = report.found.seconds;
  out["row_seconds"] = report.found.form_seconds;
  out["timed_out"] = report.found.timed_out;
  out["memory"] = peak_resident_bytes();
  out["counted_memory"] = memory_json(report.found.memory);
  if (!report.found.device_memory.empty()) out["device_memory"] = report.found.device_memory;
  if (!report.found.ranks.empty()) out["ranks"] = ranks_json(report.found.ranks);
  if (!report.found.link.empty()) out["device_link"] = report.found.link;
  for (std::size_t r = 0; r < report.found.shares.size(); ++r) {
    const bound::TensorReport& share = report.found.shares[r];
    out["ranks"][r]["weight_bytes"] = share.weight_bytes;
    out["ranks"][r]["work_bytes"] = share.work_bytes;
    out["ranks"][r]["told_bytes"] = share.told_bytes;
    out["ranks"][r]["collectives"] = share.collectives;
    out["ranks"][r]["collective_seconds"] = share.collective_seconds;
  }
  auto rows = nlohmann::ordered_json::array();
  for (const RowReport& row : report.rows) {
    nlohmann::ordered_json one;
    one["clause"] = row.clause < 0 ? nlohmann::ordered_json() : nlohmann::ordered_json(row.clause);
    one["form"] = row.form;
    one["lower"] = row.lower;
    one["proves"] = row.proves;
    rows.push_back(std::move(one));
  }
  out["rows"] = std::move(rows);
  out["input_order"] = report.graph.input_order;
  out["output_order"] = report.graph.output_order;
  auto nodes = nlohmann::ordered_json::array();
  for (int v = 0; v < static_cast<int>(report.graph.nodes.size()); ++v) {
    const Node& node = report.graph.nodes[v];
    nlohmann::ordered_json one;
    one["name"] = node.name;
    one["operator"] = operator_name(node.op);
    one["inputs"] = node.inputs;
    one["shape"] = shape_of(node);
    one["unstable"] = unstable(report.graph, report.found.bounds, v);
    one["lo"] = report.found.bounds.lo[v];
    one["hi"] = report.found.bounds.hi[v];
    nodes.push_back(std::move(one));
  }
  out["nodes"] = std::move(nodes);
  return out.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

void save_npz(const BoundsReport& report, const std::string& path) {
  NpzWriter npz;
  for (std::size_t v = 0; v < report.graph.nodes.size(); ++v) {
    const std::vector<long long> shape = shape_of(report.graph.nodes[v]);
    npz.add(fmt::format("lo_{}", v), shape, std::span<const double>(report.found.bounds.lo[v]));
    npz.add(fmt::format("hi_{}", v), shape, std::span<const double>(report.found.bounds.hi[v]));
  }
  const auto add = [&](const char* name, const std::vector<double>& values) {
    npz.add(name, {static_cast<long long>(values.size())}, std::span<const double>(values));
  };
  add("input_order", {report.graph.input_order.begin(), report.graph.input_order.end()});
  add("output_order", {report.graph.output_order.begin(), report.graph.output_order.end()});
  std::vector<double> rows;
  for (const RowReport& row : report.rows) rows.push_back(row.lower);
  add("rows", rows);
  npz.save(path);
}

}  // namespace coronet::cli
