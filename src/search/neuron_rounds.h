// Rounds of branch and bound over ReLUs: batches of domains bounded, split, decided as linear
// programmes where nothing is left to split, and attacks now and then.
#pragma once

#include <cstddef>
#include <vector>

#include "bound/context.h"
#include "bound/optimise.h"
#include "search/bounder.h"
#include "search/domain.h"
#include "search/judge.h"
#include "search/rounds.h"
#include "search/spec.h"
#include "search/tree.h"
#include "search/worklist.h"

namespace coronet::search {

class NeuronRounds final : public Rounds<Domain>, private Worklist {
 public:
  /// Refers to all of it; bounds no longer than until the deadline. `attack_step`: from an attack's
  /// number to the next one's, where several ranks make attacks of their own.
  NeuronRounds(bound::Context& context, const bound::Root& root,
               const std::vector<ClauseRows>& clauses, const std::vector<GraphBox>& boxes,
               Tree& tree, Judge& judge, const Deadline& deadline, int attack_step = 1);

  void round() override;
  [[nodiscard]] Standing standing() const override;
  [[nodiscard]] Findings findings() const override;

 private:
  [[nodiscard]] std::size_t waiting() const override { return count(); }
  std::vector<Domain> take_batch(std::size_t most) override { return take(most); }
  void take_back(Bounded bounded) override;
  void decide_leaves(std::vector<Domain> leaves);
  void attack_open();

  bound::Context& context_;
  const bound::Root& root_;
  const std::vector<ClauseRows>& clauses_;
  const std::vector<GraphBox>& boxes_;
  Tree& tree_;
  Judge& judge_;
  const Deadline& deadline_;
  const int attack_step_;
  Bounder bounder_;
  Look look_;
  std::vector<Domain> leaves_;  // of the round
  const double began_;
  double next_attack_;
  std::vector<double> best_attack_;  // [clauses]
};

}  // namespace coronet::search
