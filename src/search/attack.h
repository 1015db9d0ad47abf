// The search for a counterexample by projected gradient descent (PGD; Madry et al. 2018) from
// random points.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/options.h"
#include "bound/context.h"
#include "search/judge.h"
#include "search/spec.h"

namespace coronet::search {

struct AttackSettings {
  int restarts = 32;  ///< starting points for each clause; a GPU takes four times as many
  int steps = 60;
  double seconds = 0;        ///< at most so long, if positive
  std::uint64_t stream = 0;  ///< separates the random numbers of one attack from another's
};

/// The attack that comes before any bound: most violated properties fall at once, and the others
/// lose little time.
AttackSettings short_attack(const Options& options, std::size_t clauses);

/// Attacks the clauses (all of one box or of several); offers what it finds to the judge and stops
/// when that is satisfied. best[k] becomes the least value of max_i f_i that any point of
/// clauses[k] reached. Returns how many points were evaluated, each counted at every step.
std::int64_t attack(bound::Context& context, const std::vector<ClauseRows>& clauses,
                    const std::vector<GraphBox>& boxes, Judge& judge,
                    const AttackSettings& settings, std::vector<double>& best);

/// f_i at (x, y); the clause is violated where all are <= 0.
double constraint_value(const ClauseRows& clause, int i, const float* x, const float* y, int inputs,
                        int outputs);

}  // namespace coronet::search
