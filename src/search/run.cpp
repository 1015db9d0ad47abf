#include "search/run.h"

#include <algorithm>
#include <cmath>

#include "search/conclude.h"
#include "search/input_split.h"

namespace coronet::search {

void Run::end_phase(const char* name) {
  const double now = elapsed_seconds();
  const auto phase = std::find_if(result.phases.begin(), result.phases.end(),
                                  [name](const Phase& p) { return p.name == name; });
  if (phase == result.phases.end()) {
    result.phases.push_back({name, now - phase_began});
  } else {
    phase->seconds += now - phase_began;
  }
  phase_began = now;
}

void Run::take(const BranchOutcome& outcome, const std::vector<ClauseRows>& clauses,
               const char* how) {
  if (whole.context.ledger != nullptr) {
    whole.context.ledger->saw(MemoryClass::kDomains, outcome.bytes);
  }
  note_outcome(outcome, clauses, how, result, best_attack);
}

BranchOutcome Run::split_inputs(const std::vector<ClauseRows>& clauses, const Deadline& until,
                                const Saving& saving) {
  const BranchOutcome outcome = input_split(whole.context, clauses, boxes, *inputs, oracle,
                                            {until, memory / 2, saving, ranks, ends_with(until)});
  take(outcome, clauses, "input-split");
  end_phase("input-split");
  return outcome;
}

void Run::save(std::shared_ptr<BoxProgress> box, std::int64_t domains) const {
  if (!continuation.save) return;
  Checkpoint checkpoint;
  checkpoint.identity = identity;
  checkpoint.seconds = seconds_before + elapsed_seconds();
  checkpoint.domains = result.domains + domains;
  checkpoint.unstable_neurons = result.unstable_neurons;
  checkpoint.attacked = attacked;
  checkpoint.clauses = result.clauses;
  checkpoint.best_attack = best_attack;
  checkpoint.box = std::move(box);
  checkpoint.inputs = inputs;
  continuation.save(checkpoint);
}

}  // namespace coronet::search
