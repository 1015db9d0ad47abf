// What the parts of one verification share: the question, the means, and the result so far.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "search/checkpoint.h"
#include "search/continuation.h"
#include "search/oracle.h"
#include "search/prepared.h"
#include "search/relu_branch.h"
#include "search/spec.h"
#include "spec/result.h"

namespace coronet::search {

struct Run {
  const Options& options;
  Tracer& tracer;
  Workers& workers;
  const Deadline& deadline;
  bound::LateAccelerator& accelerator;
  bound::Ranks* ranks;  ///< null: this one alone
  Prepared& whole;      ///< the graph as it was given
  Oracle& oracle;
  std::vector<GraphBox> boxes;
  std::size_t memory = 0;  ///< bytes that the process may use
  Result result;
  std::vector<double> best_attack;  ///< [clauses of the property]
  double phase_began = 0;
  const Continuation& continuation;
  Identity identity;          ///< where something is to be saved
  double seconds_before = 0;  ///< of the runs that this one goes on from
  bool attacked = false;      ///< the first attack is over
  /// Input splitting of the box under way, or of all boxes.
  std::shared_ptr<InputTree> inputs = std::make_shared<InputTree>();

  /// The time since the last call goes to this phase.
  void end_phase(const char* name);

  /// Notes what a search of these clauses brought.
  void take(const BranchOutcome& outcome, const std::vector<ClauseRows>& clauses, const char* how);

  /// Input splitting of the clauses' whole boxes, on the whole graph, from where `inputs` stands.
  BranchOutcome split_inputs(const std::vector<ClauseRows>& clauses, const Deadline& until,
                             const Saving& saving);

  /// Does nothing follow that moment: is it the run's own deadline, and nothing saved then?
  [[nodiscard]] bool ends_with(const Deadline& until) const {
    return !continuation.save && !until.before(deadline);
  }
  /// Is the state to be saved now? From any thread.
  [[nodiscard]] bool save_due() const { return continuation.save && continuation.due(); }
  /// Saves it, where somebody takes it; `domains` were bounded beside those of the result.
  void save(std::shared_ptr<BoxProgress> box, std::int64_t domains) const;
};

}  // namespace coronet::search
