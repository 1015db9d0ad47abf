// What the parts of one verification share: the question, the means, and the result so far.
#pragma once

#include <cstddef>
#include <vector>

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

  /// The time since the last call goes to this phase.
  void end_phase(const char* name);

  /// Notes what a search of these clauses brought.
  void take(const BranchOutcome& outcome, const std::vector<ClauseRows>& clauses, const char* how);

  /// Input splitting of the clauses' whole boxes, on the whole graph.
  BranchOutcome split_inputs(const std::vector<ClauseRows>& clauses, const Deadline& until);
};

}  // namespace coronet::search
