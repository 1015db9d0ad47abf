// A result as JSON: everything that a run found, for programs.
#pragma once

#include <map>
#include <string>

#include "base/options.h"
#include "spec/property.h"
#include "spec/result.h"

namespace coronet {

/// "holds", "violated", "unknown" or "timeout".
const char* verdict_name(Verdict verdict);

/// One JSON object, indented, with a final newline. Keys: "verdict", "reason" (absent when
/// decided), "counterexample"
/// ("input", "output"; absent unless violated), "clauses", "phases", "seconds" (sum of the phases),
/// "domains", "open_domains", "unstable_neurons", "best_attack", "memory", "ranks" (absent
/// for one), "property" (sizes and
/// names), "options" (every entry of options.def), "run"
/// (`extra`: network and property file, version, machine, ...). NaN and infinities are null: JSON
/// has no words for them.
std::string to_json(const Result& result, const Property& property, const Options& options,
                    const std::map<std::string, std::string>& extra);

}  // namespace coronet
