// The verdict of a verification that is over.
#pragma once

#include <vector>

#include "base/resources.h"
#include "search/oracle.h"
#include "search/relu_branch.h"
#include "search/spec.h"
#include "spec/result.h"

namespace coronet::search {

/// Sets verdict, counterexample and reason from what the oracle has and how the clauses were
/// decided. A reason that is there already stays, for an unknown verdict.
void conclude(Result& result, const Oracle& oracle, const Deadline& deadline);

/// Notes what a search of these clauses brought, which decides so. best_attack: [clauses of the
/// property]
void note_outcome(const BranchOutcome& outcome, const std::vector<ClauseRows>& clauses,
                  const char* how, Result& result, std::vector<double>& best_attack);

/// The least of some values of the attack's objective; infinity for none.
double least(const std::vector<double>& attacked);

}  // namespace coronet::search
