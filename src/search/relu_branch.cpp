#include "search/relu_branch.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

#include "bound/concrete.h"
#include "search/attack.h"
#include "search/bounder.h"
#include "search/leaf.h"

namespace coronet::search {

namespace {

/// Seconds between reports, and at least so many times what the last one took.
constexpr double kTellEvery = 0.2;
constexpr double kTellShare = 50;

/// The minimisers of the relaxation are good places to look for a counterexample.
void try_minimizers(bound::Context& context, const std::vector<ClauseRows>& clauses,
                    const std::vector<int>& objective, const std::vector<float>& x, Oracle& oracle,
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
    if (violated && oracle.offer(clause.clause, xi)) return;
  }
}

/// Attacks between the rounds of branch and bound: the first soon, the next ones each time the
/// search has doubled.
class Attacks {
 public:
  explicit Attacks(std::size_t clauses) : began_(elapsed_seconds()), best_(clauses, HUGE_VAL) {}

  [[nodiscard]] bool due() const { return elapsed_seconds() >= next_ + began_; }
  [[nodiscard]] const std::vector<double>& best() const { return best_; }
  [[nodiscard]] double least() const { return *std::min_element(best_.begin(), best_.end()); }

  void run(bound::Context& context, const std::vector<ClauseRows>& clauses,
           const std::vector<GraphBox>& boxes, Tree& tree, Oracle& oracle) {
    const double spent = elapsed_seconds() - began_;
    next_ = 2 * spent + 0.1;
    if (!context.options.attack || tree.open.empty()) return;
    std::vector<char> is_open(clauses.size(), 0);
    for (const Domain& d : tree.open) is_open[d.objective] = 1;
    std::vector<ClauseRows> attacked;
    std::vector<std::size_t> index;
    for (std::size_t k = 0; k < clauses.size(); ++k) {
      if (is_open[k] == 0) continue;
      attacked.push_back(clauses[k]);
      index.push_back(k);
    }
    AttackSettings settings;
    settings.restarts = context.options.attack_restarts;
    settings.steps = context.options.attack_steps;
    settings.seconds = 0.25 * spent + 0.05;
    settings.stream = ++tree.attacks;
    std::vector<double> best(attacked.size(), HUGE_VAL);
    attack(context, attacked, boxes, oracle, settings, best);
    for (std::size_t i = 0; i < index.size(); ++i) {
      best_[index[i]] = std::min(best_[index[i]], best[i]);
    }
  }

 private:
  double began_;
  double next_ = 0.1;
  std::vector<double> best_;
};

/// Domains with nothing left to split are decided as linear programmes; those for which there was
/// no time stay open.
void decide_leaves(bound::Context& context, const bound::Root& root,
                   const std::vector<ClauseRows>& clauses, std::vector<Domain> leaves,
                   Oracle& oracle, Tree& tree) {
  std::vector<char> undecided(leaves.size(), 0);
  context.workers.run(static_cast<int>(leaves.size()), [&](int i, int worker) {
    const LeafOutcome outcome = decide_leaf(context, root, clauses[leaves[i].objective], leaves[i],
                                            oracle, context.space64[worker]);
    undecided[i] = outcome == LeafOutcome::kUndecided ? 1 : 0;
  });
  const bool late = context.deadline.passed();
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    if (undecided[i] == 0) continue;
    if (late) {
      tree.open.push_back(std::move(leaves[i]));
    } else {
      tree.undecided[leaves[i].objective] = 1;
    }
  }
}

}  // namespace

BranchOutcome relu_branch(bound::Context& context, const bound::Root& root,
                          const std::vector<ClauseRows>& clauses, Tree& tree,
                          const std::vector<GraphBox>& boxes, Oracle& oracle,
                          const Deadline& deadline, std::size_t memory_bytes,
                          const Between& between) {
  Objectives objectives;
  objectives.node = context.net32.nodes() - 1;
  objectives.clauses = clauses;
  Bounder bounder(context, root, std::move(objectives));
  const auto stop = [&] { return deadline.passed() || oracle.found(); };
  Look look;
  if (context.options.attack) {
    look = [&](const std::vector<int>& objective, const std::vector<float>& x, int worker) {
      try_minimizers(context, clauses, objective, x, oracle, worker);
    };
  }
  BranchOutcome outcome;
  const int iterations = std::max(1, context.options.branch_iterations);
  const int round_size = bounder.round();
  const double began = elapsed_seconds();
  double tell = began + kTellEvery;
  std::size_t bytes = tree.bytes();
  Attacks attacks(clauses.size());
  while (!tree.open.empty()) {
    if (oracle.found()) break;
    if (between) between(outcome.domains);
    if (deadline.passed()) {
      outcome.reason = "time ran out in branch and bound";
      break;
    }
    outcome.bytes = std::max(outcome.bytes, bytes);
    if (bytes > memory_bytes) {
      outcome.reason = "the open domains of branch and bound take more than --memory-gib allows";
      break;
    }
    // The newest domains first: the pool stays small, and children are bounded while their parents'
    // slopes are fresh.
    const int take = std::min<int>(static_cast<int>(tree.open.size()), round_size);
    std::vector<Domain> round(std::make_move_iterator(tree.open.end() - take),
                              std::make_move_iterator(tree.open.end()));
    tree.open.resize(tree.open.size() - take);
    bytes -= bytes_of(round);
    Bounded bounded = bounder.run(std::move(round), iterations, stop, look);
    outcome.domains += bounded.count;
    bytes += bytes_of(bounded.open);
    std::move(bounded.open.begin(), bounded.open.end(), std::back_inserter(tree.open));
    decide_leaves(context, root, clauses, std::move(bounded.exhausted), oracle, tree);
    if (attacks.due()) attacks.run(context, clauses, boxes, tree, oracle);
    const double now = elapsed_seconds();
    if (now > tell) {
      Progress p;
      p.phase = "branch";
      p.elapsed = now;
      p.open = static_cast<std::int64_t>(tree.open.size());
      p.closed = outcome.domains;
      p.domains_per_second = static_cast<double>(outcome.domains) / (now - began);
      p.memory = resident_bytes();
      p.best_attack = attacks.least();
      p.bound = HUGE_VAL;
      for (const Domain& d : tree.open) {
        if (d.bound < p.bound) {
          p.bound = d.bound;
          p.worst_row = clauses[d.objective].clause;
        }
      }
      context.tracer.progress(p);
      // Looking through millions of domains takes its time.
      const double end = elapsed_seconds();
      tell = end + std::max(kTellEvery, kTellShare * (end - now));
    }
  }
  outcome.best_attack = attacks.best();
  outcome.open = static_cast<std::int64_t>(tree.open.size());
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
  outcome.refuted = all && !oracle.best();
  return outcome;
}

}  // namespace coronet::search
