// Rows dealt over ranks: the side of the rank that leads.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "bound/accelerator.h"
#include "bound/optimise.h"
#include "bound/ranks/protocol.h"
#include "comm/communicator.h"
#include "comm/packet.h"
#include "graph/sharded.h"
#include "spec/rank_report.h"

namespace coronet::bound {

/// The ranks of a run, this one among them, as rank 0 sees them. Every call may throw as
/// comm::Channel::receive does: once a rank has failed, all have.
class Ranks {
 public:
  /// From so many products on, rows are worth dealing: about 10 ms of one core.
  static constexpr double kWorthDealing = 2e8;

  /// Meets the others (protocol.h). Refers to the group and to the weights: null where each rank
  /// has all of them.
  Ranks(comm::Communicator& group, const Graph& graph, const std::string& program, int workers,
        double worth_dealing = kWorthDealing, const ShardedWeights* weights = nullptr);

  /// Bounds rows of the graph as it was read, as one rank does, bit for bit, on all ranks; the
  /// context is this rank's, its device of the accelerator (null: none). Refers to all for as long
  /// as what it gives lives.
  std::unique_ptr<RowBounder> whole(Context& context, const Accelerator* accelerator);
  /// The same for what drop_dead_neurons() (reduce.h) leaves of the graph of `parent`, which came
  /// from here, by these bounds; each rank makes it by itself.
  std::unique_ptr<RowBounder> reduced(const RowBounder& parent, const Bounds& bounds,
                                      Context& context);
  /// Has the others take part in a turn of a search on the graph of `of`, which came from here;
  /// what `order` says is between the search here and there (ServerSettings::search). It talks
  /// through group(), in letters from kFirstSearchTag on, and is over on all ranks before the next
  /// call.
  void search(const RowBounder& of, const comm::Bytes& order);
  [[nodiscard]] comm::Communicator& group() { return group_; }
  /// What rank r has done, to be added to.
  [[nodiscard]] RankReport& report(int r) { return work_[r]; }

  /// Sends the others home, which tell what they hold; `ledger`: of what this rank does.
  void end(const MemoryLedger* ledger = nullptr);

  /// What each rank has done so far: [ranks].
  [[nodiscard]] const std::vector<RankReport>& reports();

 private:
  friend class DealtRows;

  [[nodiscard]] comm::Writer order(RankOrder what);

  comm::Communicator& group_;
  const Accelerator* accelerator_ = nullptr;
  double worth_dealing_;
  const ShardedWeights* weights_;
  std::vector<RankReport> work_;
  int graphs_ = 0;             // made so far
  std::vector<int> released_;  // numbers that the others need not keep
};

}  // namespace coronet::bound
