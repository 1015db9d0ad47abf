// The way to the oracle from a rank that is not the leader's.
#pragma once

#include <atomic>
#include <mutex>

#include "comm/communicator.h"
#include "search/judge.h"

namespace coronet::search {

/// For one turn of a search. Candidates go to the broker, one at a time, and are waited for: what
/// counts is decided by the leader's oracle alone. The end of the turn counts as found.
class DistantJudge final : public Judge {
 public:
  /// `inputs` numbers are a point. Refers to the group.
  DistantJudge(comm::Communicator& group, int inputs) : group_(group), inputs_(inputs) {}

  bool offer(int clause, const float* x) override;
  [[nodiscard]] bool found() const override;
  [[nodiscard]] bool known() const override { return known_; }

  /// Waits until the end of the turn was heard, when it is certain to come.
  void settle();

 private:
  comm::Communicator& group_;
  const int inputs_;
  std::mutex mutex_;
  std::atomic<bool> known_{false};
  std::atomic<bool> found_{false};
  mutable std::atomic<bool> over_{false};
  mutable std::atomic<double> next_look_{0};
};

}  // namespace coronet::search
