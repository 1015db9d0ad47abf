// The verdict of a verification that is over.
#pragma once

#include <vector>

#include "base/resources.h"
#include "search/oracle.h"
#include "spec/result.h"

namespace coronet::search {

/// Sets verdict, counterexample and reason from what the oracle has and how the clauses were
/// decided. A reason that is there already stays, for an unknown verdict.
void conclude(Result& result, const Oracle& oracle, const Deadline& deadline);

/// The least of some values of the attack's objective; infinity for none.
double least(const std::vector<double>& attacked);

}  // namespace coronet::search
