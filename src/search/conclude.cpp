#include "search/conclude.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace coronet::search {

void conclude(Result& result, const Oracle& oracle, const Deadline& deadline) {
  if (auto point = oracle.best()) {
    result.verdict = Verdict::kViolated;
    result.counterexample = std::move(*point);
    return;
  }
  const bool all = std::all_of(result.clauses.begin(), result.clauses.end(),
                               [](const ClauseReport& c) { return !c.decided_by.empty(); });
  if (all) {
    result.verdict = Verdict::kHolds;
    result.reason.clear();  // of a turn that ended early
    result.open_domains = 0;
    return;
  }
  if (deadline.interrupted()) {
    result.verdict = Verdict::kUnknown;
    result.reason = "interrupted";
    return;
  }
  result.verdict = deadline.passed() ? Verdict::kTimeout : Verdict::kUnknown;
  if (result.verdict == Verdict::kUnknown && oracle.doubtful()) {
    result.reason =
        "a point meets the constraints within rounding: whether it does, no bound tells";
  }
  if (result.reason.empty()) result.reason = "some clauses are left open";
}

void note_outcome(const BranchOutcome& outcome, const std::vector<ClauseRows>& clauses,
                  const char* how, Result& result, std::vector<double>& best_attack) {
  result.domains += outcome.domains;
  result.open_domains = outcome.open;
  result.memory["domains"] = std::max<std::uint64_t>(result.memory["domains"], outcome.bytes);
  for (std::size_t k = 0; k < clauses.size(); ++k) {
    if (!outcome.best_attack.empty()) {
      double& best = best_attack[clauses[k].clause];
      best = std::min(best, outcome.best_attack[k]);
    }
    ClauseReport& report = result.clauses[clauses[k].clause];
    if (outcome.clause_refuted[k] != 0) {
      report.decided_by = how;
      report.bound = std::max(report.bound, 0.0);
    } else {
      report.bound =
          std::max(report.bound, std::isfinite(outcome.bound[k]) ? outcome.bound[k] : -HUGE_VAL);
    }
  }
  if (!outcome.refuted && result.reason.empty()) result.reason = outcome.reason;
}

double least(const std::vector<double>& attacked) {
  double best = HUGE_VAL;
  for (const double b : attacked) best = std::min(best, b);
  return best;
}

}  // namespace coronet::search
