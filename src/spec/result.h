// What a verification ends with.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "spec/rank_report.h"

namespace coronet {

enum class Verdict {
  kHolds,     ///< no point satisfies the query: `unsat`
  kViolated,  ///< `counterexample` does: `sat`
  kUnknown,   ///< see `reason`
  kTimeout,   ///< unknown because the time ran out
};

/// A point that satisfies the query, in the order of the ONNX tensors; every input is a float32
/// inside the box.
struct Counterexample {
  std::vector<double> input;
  std::vector<double> output;  ///< of the graph as written, within a few roundings in double
};

struct Phase {
  std::string name;
  double seconds = 0;
};

struct ClauseReport {
  double bound = 0;  ///< best proved lower bound of the clause's worst box; positive: refuted
  std::string
      decided_by;  ///< "interval", "crown", "alpha", "branch", "input-split", "attack", "" if open
};

struct Result {
  Verdict verdict = Verdict::kUnknown;
  std::string reason;  ///< for kUnknown and kTimeout: what limited the search; never empty there
  Counterexample counterexample;
  std::vector<ClauseReport> clauses;  ///< one for each clause of the property
  std::vector<Phase> phases;
  std::int64_t domains = 0;           ///< domains bounded by branch and bound
  std::int64_t open_domains = 0;      ///< left open at the end
  std::int64_t unstable_neurons = 0;  ///< at the root
  double best_attack = 0;             ///< least value of the attack's objective
  std::string checkpoint;             ///< file from which the search can go on; empty: none
  std::vector<RankReport> ranks;      ///< empty where one rank was alone
  std::map<std::string, std::uint64_t>
      memory;  ///< peak bytes by class: "weights", "rows", "domains", "resident"
};

}  // namespace coronet
