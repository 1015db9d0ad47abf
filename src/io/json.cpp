#include "io/json.h"

#include <nlohmann/json.hpp>

#include "io/ranks_json.h"

namespace coronet {
namespace {

using Json =
    nlohmann::ordered_json;  // keeps the order in which keys are set: the verdict stands first

// nlohmann writes numbers with the fewest digits that read back to the same double, and NaN and
// infinities as null.

Json clauses_json(const Result& result, const Property& property) {
  Json clauses = Json::array();
  for (std::size_t i = 0; i < result.clauses.size(); ++i) {
    const ClauseReport& report = result.clauses[i];
    Json clause;
    if (i < property.clauses.size()) {
      clause["box"] = property.clauses[i].box;
      clause["constraints"] = property.clauses[i].constraints.size();
    }
    clause["bound"] = report.bound;
    clause["decided_by"] = report.decided_by.empty() ? Json() : Json(report.decided_by);
    clauses.push_back(std::move(clause));
  }
  return clauses;
}

Json variable_json(const Variable& variable) {
  return {{"name", variable.name}, {"type", variable.type}, {"shape", variable.shape}};
}

Json property_json(const Property& property) {
  Json out;
  out["vnnlib"] = property.vnnlib_major;
  if (!property.network.empty()) out["network"] = property.network;
  out["inputs"] = property.inputs;
  out["outputs"] = property.outputs;
  out["boxes"] = property.boxes.size();
  out["clauses"] = property.clauses.size();
  out["input"] = variable_json(property.input);
  out["output"] = variable_json(property.output);
  return out;
}

Json options_json(const Options& options) {
  Json out;
#define OPTION(type, name, default_value, group, help) out[#name] = options.name;
#include "base/options.def"
#undef OPTION
  return out;
}

}  // namespace

const char* verdict_name(Verdict verdict) {
  switch (verdict) {
    case Verdict::kHolds:
      return "holds";
    case Verdict::kViolated:
      return "violated";
    case Verdict::kUnknown:
      return "unknown";
    case Verdict::kTimeout:
      return "timeout";
  }
  return "unknown";
}

std::string to_json(const Result& result, const Property& property, const Options& options,
                    const std::map<std::string, std::string>& extra) {
  Json out;
  out["verdict"] = verdict_name(result.verdict);
  if (result.verdict == Verdict::kUnknown || result.verdict == Verdict::kTimeout) {
    out["reason"] = result.reason;
    if (!result.checkpoint.empty()) out["checkpoint"] = result.checkpoint;
  }
  if (result.verdict == Verdict::kViolated) {
    out["counterexample"] = {{"input", result.counterexample.input},
                             {"output", result.counterexample.output}};
  }
  out["clauses"] = clauses_json(result, property);
  Json phases = Json::array();
  double seconds = 0;
  for (const Phase& phase : result.phases) {
    phases.push_back({{"name", phase.name}, {"seconds", phase.seconds}});
    seconds += phase.seconds;
  }
  out["phases"] = std::move(phases);
  out["seconds"] = seconds;
  out["domains"] = result.domains;
  out["open_domains"] = result.open_domains;
  out["unstable_neurons"] = result.unstable_neurons;
  out["best_attack"] = result.best_attack;
  out["memory"] = result.memory;
  if (!result.ranks.empty()) out["ranks"] = ranks_json(result.ranks);
  out["property"] = property_json(property);
  out["options"] = options_json(options);
  out["run"] = extra;
  // Names come from files and need not be UTF-8: what is not becomes U+FFFD instead of an
  // exception.
  return out.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace coronet
