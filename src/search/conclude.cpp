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

double least(const std::vector<double>& attacked) {
  double best = HUGE_VAL;
  for (const double b : attacked) best = std::min(best, b);
  return best;
}

}  // namespace coronet::search
