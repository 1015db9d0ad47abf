// The ranks of a run as JSON.
#pragma once

#include <nlohmann/json.hpp>
#include <vector>

#include "spec/rank_report.h"

namespace coronet {

/// By class that it had any of, and of all: {"now": bytes, "most": bytes}.
inline nlohmann::ordered_json memory_json(const MemoryUsage& usage) {
  auto out = nlohmann::ordered_json::object();
  const auto add = [&](const char* name, const MemoryUsage::Of& of) {
    if (of.most > 0) out[name] = {{"now", of.now}, {"most", of.most}};
  };
  for (int i = 0; i < kMemoryClasses; ++i) add(name_of(memory_class(i)), usage.by[i]);
  add("all", usage.total);
  return out;
}

/// An array, rank 0 first: "host", "threads", "rows", "domains", "handed_over", "busy_seconds",
/// "waited_seconds", "peak_bytes", "weight_bytes", "fetched_bytes", "fetch_seconds", "memory"
/// (memory_json); with a GPU "device_bytes" too.
inline nlohmann::ordered_json ranks_json(const std::vector<RankReport>& ranks) {
  auto out = nlohmann::ordered_json::array();
  for (const RankReport& r : ranks) {
    out.push_back({{"host", r.host},
                   {"threads", r.threads},
                   {"rows", r.rows},
                   {"domains", r.domains},
                   {"handed_over", r.handed_over},
                   {"busy_seconds", r.seconds},
                   {"waited_seconds", r.waited},
                   {"peak_bytes", r.peak_bytes},
                   {"weight_bytes", r.weight_bytes},
                   {"fetched_bytes", r.fetched_bytes},
                   {"fetch_seconds", r.fetch_seconds},
                   {"memory", memory_json(r.memory)}});
    if (r.device_bytes > 0) out.back()["device_bytes"] = r.device_bytes;
  }
  return out;
}

}  // namespace coronet
