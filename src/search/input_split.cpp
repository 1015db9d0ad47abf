#include "search/input_split.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "search/input_rounds.h"
#include "search/ranks/shared_turn.h"
#include "search/tensor_rounds.h"

namespace coronet::search {

namespace {

constexpr TurnWords kWords{"input-split", "time ran out in input splitting",
                           "the open boxes of input splitting take more than --memory-gib allows"};

/// Plants the tree, or takes the clauses that are not asked for out of it.
void prepare(InputTree& tree, const std::vector<ClauseRows>& clauses,
             const std::vector<GraphBox>& boxes) {
  if (tree.planted) {
    std::set<int> asked;
    for (const ClauseRows& c : clauses) asked.insert(c.clause);
    for (BoxDomain& d : tree.open) {
      std::erase_if(d.clauses, [&](int k) { return !asked.contains(k); });
    }
    std::erase_if(tree.open, [](const BoxDomain& d) { return d.clauses.empty(); });
    return;
  }
  tree.planted = true;
  std::map<int, std::size_t> domain_of_box;
  for (const ClauseRows& c : clauses) domain_of_box.try_emplace(c.box, domain_of_box.size());
  tree.open.resize(domain_of_box.size());
  for (const ClauseRows& c : clauses) {
    BoxDomain& d = tree.open[domain_of_box[c.box]];
    d.lower = boxes[c.box].lower;
    d.upper = boxes[c.box].upper;
    d.clauses.push_back(c.clause);
  }
}

/// What is left in the tree after a turn that ended so.
BranchOutcome outcome_of(const std::vector<ClauseRows>& clauses, const InputTree& tree,
                         const TurnEnd& end, const Judge& judge) {
  BranchOutcome outcome;
  outcome.reason = end.reason;
  outcome.domains = end.bounded;
  outcome.bytes = end.bytes;
  outcome.open = static_cast<std::int64_t>(tree.open.size()) + end.left_behind;
  std::map<int, double> least;  // of the clauses that are open
  for (const BoxDomain& d : tree.open) {
    for (int k : d.clauses) {
      const auto it = least.try_emplace(k, HUGE_VAL).first;
      it->second = std::min(it->second, d.bound);
    }
  }
  for (const ClauseRows& c : clauses) {
    const auto it = least.find(c.clause);
    outcome.clause_refuted.push_back(it == least.end() ? 1 : 0);
    outcome.bound.push_back(it == least.end() ? HUGE_VAL : it->second);
  }
  outcome.refuted = tree.open.empty() && !judge.known();
  return outcome;
}

}  // namespace

BranchOutcome input_split(bound::Context& context, const std::vector<ClauseRows>& clauses,
                          const std::vector<GraphBox>& boxes, InputTree& tree, Judge& judge,
                          const Turn& turn) {
  prepare(tree, clauses, boxes);
  TurnEnd end;
  if (several(turn.ranks)) {
    end = share(context, BoxTurn{clauses, boxes}, tree.open, kWords, turn, judge,
                [](const Findings&) {});
  } else {
    InputRounds rounds(context, clauses, boxes, tree, judge, turn.deadline);
    end = drive(rounds, kWords, turn, judge, context.tracer);
  }
  return outcome_of(clauses, tree, end, judge);
}

BranchOutcome input_split(bound::TensorRun& run, bound::Context& context,
                          const std::vector<ClauseRows>& clauses,
                          const std::vector<GraphBox>& boxes, InputTree& tree, Judge& judge,
                          const Turn& turn, std::vector<RankReport>& ranks) {
  prepare(tree, clauses, boxes);
  TensorRounds rounds(run, context, clauses, boxes, tree, judge, turn.deadline);
  const TurnEnd end = drive(rounds, kWords, turn, judge, context.tracer);
  if (!rounds.ranks().empty()) ranks = rounds.ranks();
  return outcome_of(clauses, tree, end, judge);
}

}  // namespace coronet::search
