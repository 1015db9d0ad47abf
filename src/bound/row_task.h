// The rows of one list, ready to be bounded in parts.
#pragma once

#include <memory>

#include "bound/optimise.h"
#include "bound/thinned.h"

namespace coronet::bound {

/// Parts may be bounded in any order and by anybody who makes the task from the same root, list and
/// settings: a row's bits do not depend on its part. Refers to its arguments.
class RowTask {
 public:
  RowTask(Context& context, const Root& root, const RowList& list, const OptimiseSettings& settings,
          const Deadline& deadline);

  [[nodiscard]] int rows() const { return total_; }
  /// Rows of a part where so many workers share all parts: each part is within the budget of
  /// memory, and every worker has as many parts as the others. Even: pairs stay together.
  [[nodiscard]] int part(int workers) const;

  /// Room for `count` rows, of which nothing is known.
  [[nodiscard]] RowBounds room(int count) const;
  /// Bounds rows first .. last - 1 as rows first - origin .. of the result. As a worker of the
  /// context: one call at a time for each.
  void bound(int first, int last, int worker, RowBounds& result, int origin) const;

 private:
  [[nodiscard]] const Plan& plan() const { return thinned_ ? thinned_->plan() : whole_plan_; }

  Context& context_;
  const Root& root_;
  const RowList& list_;
  const OptimiseSettings& settings_;
  const Deadline& deadline_;
  int total_;
  bool patches_;
  Plan whole_plan_;
  Plan plan64_;
  bool optimise_;
  std::unique_ptr<Thinned> thinned_;  // for the descent, where that pays
  std::size_t budget_;                // bytes of a part
};

}  // namespace coronet::bound
