// Branch and bound over the input box, for networks with few inputs: each domain is a box with
// bounds of its own.
#pragma once

#include "bound/context.h"
#include "bound/tensor/run.h"
#include "search/input_tree.h"
#include "search/judge.h"
#include "search/relu_branch.h"
#include "search/spec.h"
#include "search/turn.h"

namespace coronet::search {

/// Splits the tree's boxes (the clauses' own, where it is not planted yet) until every clause is
/// refuted on all of its box, the judge is satisfied, or time or memory runs out; the tree keeps
/// what is still open. Clauses of the tree that are not given are forgotten. Everything is computed
/// in double with rigorous margins. Complete in the limit only: a property that holds with equality
/// somewhere is never decided.
BranchOutcome input_split(bound::Context& context, const std::vector<ClauseRows>& clauses,
                          const std::vector<GraphBox>& boxes, InputTree& tree, Judge& judge,
                          const Turn& turn);

/// The same where ranks share the neurons and bound the boxes together, as rank 0, whose part `run`
/// is; the others answer. `context`: of the whole network, its weights anywhere, for points only.
/// ranks: what each has done so far.
BranchOutcome input_split(bound::TensorRun& run, bound::Context& context,
                          const std::vector<ClauseRows>& clauses,
                          const std::vector<GraphBox>& boxes, InputTree& tree, Judge& judge,
                          const Turn& turn, std::vector<RankReport>& ranks);

}  // namespace coronet::search
