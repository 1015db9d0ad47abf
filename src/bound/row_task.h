// The rows of one list, ready to be bounded in parts by workers.
#pragma once

#include <memory>

#include "bound/row_parts.h"
#include "bound/thinned.h"

namespace coronet::bound {

/// A row's bits do not depend on its part. Refers to its arguments.
class RowTask final : public RowParts {
 public:
  RowTask(Context& context, const Root& root, const RowList& list, const OptimiseSettings& settings,
          const Deadline& deadline);

  [[nodiscard]] int rows() const override { return total_; }
  /// Each part is within the budget of memory, and every worker has as many parts as the others.
  /// Even: pairs stay together.
  [[nodiscard]] int part(int workers) const override;
  [[nodiscard]] int hands(int workers) const override { return workers; }

  [[nodiscard]] RowBounds room(int count) const override;
  void bound(int first, int last, int worker, RowBounds& result, int origin) override;

 private:
  [[nodiscard]] const Plan& plan() const { return thinned_ ? thinned_->plan() : whole_plan_; }
  [[nodiscard]] const Relaxation<float>& relaxation() const {
    return thinned_ ? thinned_->relaxation() : root_.relax32;
  }

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
  Counted written_out_;
  std::size_t budget_;  // bytes of a part
};

}  // namespace coronet::bound
