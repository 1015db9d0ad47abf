// The ranks of a run bound the rows of one network.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/options.h"
#include "bound/ranks/leader.h"
#include "cli/held_network.h"
#include "comm/channel.h"
#include "comm/communicator.h"
#include "spec/rank_report.h"

namespace coronet::cli {

/// As any rank but 0: reads the network and bounds its rows for the leader, until it ends.
void serve_network(comm::Channel& channel, const std::string& path, const Options& options);

/// The leader's side of it; nothing where the channel is null.
class LedRanks {
 public:
  LedRanks(comm::Channel* channel, const HeldNetwork& network, const Options& options);

  /// null: this rank is alone
  [[nodiscard]] bound::Ranks* get() { return ranks_ ? &*ranks_ : nullptr; }
  /// Sends the others home. `ledger`: of what this rank holds.
  void end(const MemoryLedger& ledger);
  /// [ranks]; empty where this one is alone
  [[nodiscard]] std::vector<RankReport> reports();

 private:
  std::optional<comm::Communicator> group_;
  std::optional<bound::Ranks> ranks_;
};

/// "4 ranks: 8190 rows (31 %, 23 %, 23 %, 23 %); 90000 domains (25 %, 24 %, 26 %, 25 %), 1500
/// handed over; busy 3.1 to 3.3 s; peak 80 to 92 MiB", with a final newline; empty for one rank.
std::string rank_words(const std::vector<RankReport>& ranks);

}  // namespace coronet::cli
