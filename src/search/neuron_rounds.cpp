#include "search/neuron_rounds.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

#include "bound/concrete.h"
#include "search/attack.h"
#include "search/leaf.h"

namespace coronet::search {

namespace {

Objectives objectives_of(const bound::Context& context, const std::vector<ClauseRows>& clauses) {
  Objectives objectives;
  objectives.node = context.net32.nodes() - 1;
  objectives.clauses = clauses;
  return objectives;
}

/// The minimisers of the relaxation are good places to look for a counterexample.
void try_minimizers(bound::Context& context, const std::vector<ClauseRows>& clauses,
                    const std::vector<int>& objective, const std::vector<float>& x, Judge& judge,
                    int worker) {
  const int n = static_cast<int>(objective.size());
  const int inputs = context.net32.size(0);
  const int outputs = context.net32.size(context.net32.nodes() - 1);
  std::vector<float> y(static_cast<std::size_t>(n) * outputs);
  bound::Concrete concrete(context.net32, context.space32[worker]);
  concrete.evaluate(n, x.data(), y.data(), false);
  for (int i = 0; i < n; ++i) {
    const ClauseRows& clause = clauses[objective[i]];
    const float* xi = x.data() + static_cast<std::size_t>(i) * inputs;
    const float* yi = y.data() + static_cast<std::size_t>(i) * outputs;
    bool violated = true;
    for (int k = 0; k < clause.count && violated; ++k) {
      violated = constraint_value(clause, k, xi, yi, inputs, outputs) <= 0;
    }
    if (violated && judge.offer(clause.clause, xi)) return;
  }
}

}  // namespace

NeuronRounds::NeuronRounds(bound::Context& context, const bound::Root& root,
                           const std::vector<ClauseRows>& clauses,
                           const std::vector<GraphBox>& boxes, Tree& tree, Judge& judge,
                           const Deadline& deadline, int attack_step)
    : Rounds(tree.open),
      context_(context),
      root_(root),
      clauses_(clauses),
      boxes_(boxes),
      tree_(tree),
      judge_(judge),
      deadline_(deadline),
      attack_step_(attack_step),
      bounder_(context, root, objectives_of(context, clauses)),
      began_(elapsed_seconds()),
      next_attack_(began_ + 0.1),
      best_attack_(clauses.size(), HUGE_VAL) {
  if (!context.options.attack) return;
  look_ = [this](const std::vector<int>& objective, const std::vector<float>& x, int worker) {
    try_minimizers(context_, clauses_, objective, x, judge_, worker);
  };
}

void NeuronRounds::round() {
  const int iterations = std::max(1, context_.options.branch_iterations);
  const auto stop = [this] { return deadline_.passed() || judge_.found(); };
  bounder_.run(*this, iterations, stop, look_);
  decide_leaves(std::exchange(leaves_, {}));
  if (elapsed_seconds() >= next_attack_) attack_open();
}

void NeuronRounds::take_back(Bounded bounded) {
  count_bounded(bounded.count);
  add(std::move(bounded.open));
  std::move(bounded.exhausted.begin(), bounded.exhausted.end(), std::back_inserter(leaves_));
}

/// Domains with nothing left to split are decided as linear programmes; those for which there was
/// no time stay open.
void NeuronRounds::decide_leaves(std::vector<Domain> leaves) {
  std::vector<char> undecided(leaves.size(), 0);
  context_.workers.run(static_cast<int>(leaves.size()), [&](int i, int worker) {
    const LeafOutcome outcome = decide_leaf(context_, root_, clauses_[leaves[i].objective],
                                            leaves[i], judge_, context_.space64[worker]);
    undecided[i] = outcome == LeafOutcome::kUndecided ? 1 : 0;
  });
  const bool late = context_.deadline.passed();
  std::vector<Domain> open;
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    if (undecided[i] == 0) continue;
    if (late) {
      open.push_back(std::move(leaves[i]));
    } else {
      tree_.undecided[leaves[i].objective] = 1;
    }
  }
  add(std::move(open));
}

/// The first attack comes soon, the next ones each time the search has doubled.
void NeuronRounds::attack_open() {
  const double spent = elapsed_seconds() - began_;
  next_attack_ = began_ + 2 * spent + 0.1;
  if (!context_.options.attack || open().empty()) return;
  std::vector<char> is_open(clauses_.size(), 0);
  for (const Domain& d : open()) is_open[d.objective] = 1;
  std::vector<ClauseRows> attacked;
  std::vector<std::size_t> index;
  for (std::size_t k = 0; k < clauses_.size(); ++k) {
    if (is_open[k] == 0) continue;
    attacked.push_back(clauses_[k]);
    index.push_back(k);
  }
  AttackSettings settings;
  settings.restarts = context_.options.attack_restarts;
  settings.steps = context_.options.attack_steps;
  settings.seconds = 0.25 * spent + 0.05;
  settings.stream = tree_.attacks += attack_step_;
  std::vector<double> best(attacked.size(), HUGE_VAL);
  attack(context_, attacked, boxes_, judge_, settings, best);
  for (std::size_t i = 0; i < index.size(); ++i) {
    best_attack_[index[i]] = std::min(best_attack_[index[i]], best[i]);
  }
}

Standing NeuronRounds::standing() const {
  Standing s;
  s.best_attack = *std::min_element(best_attack_.begin(), best_attack_.end());
  for (const Domain& d : open()) {
    if (d.bound < s.bound) {
      s.bound = d.bound;
      s.worst_row = clauses_[d.objective].clause;
    }
  }
  return s;
}

Findings NeuronRounds::findings() const { return {tree_.undecided, best_attack_, tree_.attacks}; }

}  // namespace coronet::search
