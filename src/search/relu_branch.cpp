#include "search/relu_branch.h"

#include <algorithm>
#include <cmath>

#include "search/neuron_rounds.h"
#include "search/ranks/shared_turn.h"

namespace coronet::search {

namespace {

constexpr TurnWords kWords{
    "branch", "time ran out in branch and bound",
    "the open domains of branch and bound take more than --memory-gib allows"};

}  // namespace

BranchOutcome relu_branch(bound::Context& context, const bound::Root& root,
                          const std::vector<ClauseRows>& clauses, Tree& tree,
                          const std::vector<GraphBox>& boxes, Judge& judge, const Turn& turn) {
  BranchOutcome outcome;
  outcome.best_attack.assign(clauses.size(), HUGE_VAL);
  const auto absorb = [&](const Findings& findings) {
    for (std::size_t k = 0; k < clauses.size(); ++k) {
      tree.undecided[k] |= findings.undecided[k];
      outcome.best_attack[k] = std::min(outcome.best_attack[k], findings.best_attack[k]);
    }
    tree.attacks = std::max(tree.attacks, findings.attacks);
  };
  TurnEnd end;
  if (several(turn.ranks)) {
    const NeuronTurn what{root, clauses, boxes, tree.attacks};
    end = share(context, what, tree.open, kWords, turn, judge, absorb);
  } else {
    NeuronRounds rounds(context, root, clauses, boxes, tree, judge, turn.deadline);
    end = drive(rounds, kWords, turn, judge, context.tracer);
    absorb(rounds.findings());
  }
  outcome.reason = end.reason;
  outcome.domains = end.bounded;
  outcome.bytes = end.bytes;
  outcome.open = static_cast<std::int64_t>(tree.open.size()) + end.left_behind;
  outcome.clause_refuted = tree.refuted();
  outcome.bound.assign(clauses.size(), HUGE_VAL);
  for (const Domain& d : tree.open) {
    outcome.bound[d.objective] = std::min<double>(outcome.bound[d.objective], d.bound);
  }
  bool all = true;
  for (std::size_t k = 0; k < clauses.size(); ++k) {
    all &= outcome.clause_refuted[k] != 0;
    if (tree.undecided[k] == 0) continue;
    outcome.bound[k] = std::min(outcome.bound[k], 0.0);
    if (outcome.reason.empty()) {
      outcome.reason = "fully split domains have an optimum within rounding of zero";
    }
  }
  outcome.refuted = all && !judge.known();
  return outcome;
}

}  // namespace coronet::search
