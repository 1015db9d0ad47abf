// Rounds of input splitting where ranks share the neurons: rank 0 has the boxes and says which are
// bounded next, all bound them together, and what is left of them is rank 0's to find.
#pragma once

#include <string>
#include <vector>

#include "bound/context.h"
#include "bound/tensor/run.h"
#include "search/box_split.h"
#include "search/input_tree.h"
#include "search/judge.h"
#include "search/rounds.h"
#include "search/spec.h"
#include "spec/rank_report.h"

namespace coronet::search {

class TensorRounds final : public Rounds<BoxDomain> {
 public:
  /// As rank 0. `whole`: of the network as it was read, in which points are evaluated. Refers to
  /// all of it; gives boxes back as they came once the deadline has passed.
  TensorRounds(bound::TensorRun& run, bound::Context& whole, const std::vector<ClauseRows>& clauses,
               const std::vector<GraphBox>& boxes, InputTree& tree, Judge& judge,
               const Deadline& deadline);

  void round() override;
  [[nodiscard]] std::string stuck() const override;
  [[nodiscard]] Standing standing() const override;

  /// What each has done so far; empty: nothing yet.
  [[nodiscard]] const std::vector<RankReport>& ranks() const { return ranks_; }

 private:
  bound::TensorRun& run_;
  bound::Context& whole_;
  Judge& judge_;
  const Deadline& deadline_;
  const int inputs_;
  BoxSplitter splitter_;
  std::vector<RankReport> ranks_;
};

}  // namespace coronet::search
