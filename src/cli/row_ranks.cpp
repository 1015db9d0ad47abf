#include "cli/row_ranks.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "base/parallel.h"
#include "base/resources.h"
#include "bound/ranks/server.h"
#include "io/onnx.h"
#include "search/prepared.h"
#include "search/ranks/shared_turn.h"

namespace coronet::cli {

namespace {

constexpr const char* kProgram = "coronet " CORONET_VERSION;

/// "8190 rows (31 %, 23 %, 23 %, 23 %)"
std::string shared_words(const std::vector<RankReport>& ranks, const char* what,
                         std::int64_t RankReport::*count) {
  std::int64_t sum = 0;
  for (const RankReport& r : ranks) sum += r.*count;
  std::string shares;
  for (const RankReport& r : ranks) {
    shares += fmt::format(
        "{}{:.0f} %", shares.empty() ? "" : ", ",
        sum > 0 ? 100.0 * static_cast<double>(r.*count) / static_cast<double>(sum) : 0.0);
  }
  return fmt::format("{} {} ({})", sum, what, shares);
}

}  // namespace

void serve_network(comm::Channel& channel, const std::string& path, const Options& options) {
  const HeldNetwork network(Model::read(path), &channel, options);
  Workers workers(options.threads);
  const std::unique_ptr<bound::Accelerator> accelerator =
      bound::open_accelerator(options, network.graph());
  const Deadline never(HUGE_VAL);  // the leader says with every order how long it may take
  Tracer silent;
  bound::ServerSettings settings;
  settings.program = kProgram;
  settings.workers = workers.size();
  if (options.memory_gib > 0) {
    settings.memory_bytes = static_cast<std::uint64_t>(options.memory_gib * 0x1p30);
  }
  settings.accelerator = accelerator.get();
  settings.weights = network.sharded();
  settings.ledger = &network.ledger();
  settings.make = [&](const Graph& of) {
    auto made =
        std::make_shared<search::Prepared>(of, options, workers, never, silent, accelerator.get());
    made->count_in(settings.ledger);
    return std::shared_ptr<bound::Context>(made, &made->context);
  };
  settings.search = [&](comm::Communicator& ranks, bound::Context& context,
                        const comm::Bytes& order) {
    search::take_part(ranks, context, order, settings.memory_bytes);
  };
  comm::Communicator group(channel);
  bound::serve_rows(group, network.graph(), settings);
}

LedRanks::LedRanks(comm::Channel* channel, const HeldNetwork& network, const Options& options) {
  if (channel == nullptr) return;
  group_.emplace(*channel);
  ranks_.emplace(*group_, network.graph(), kProgram, options.threads, bound::Ranks::kWorthDealing,
                 network.sharded());
}

void LedRanks::end(const MemoryLedger& ledger) {
  if (ranks_) ranks_->end(&ledger);
}

std::vector<RankReport> LedRanks::reports() {
  return ranks_ ? ranks_->reports() : std::vector<RankReport>();
}

std::string rank_words(const std::vector<RankReport>& ranks) {
  if (ranks.size() < 2) return "";
  std::int64_t handed_over = 0;
  bool searched = false;
  for (const RankReport& r : ranks) {
    handed_over += r.handed_over;
    searched = searched || r.domains > 0;
  }
  const auto busy = std::minmax_element(ranks.begin(), ranks.end(), [](auto& a, auto& b) {
    return a.seconds / a.threads < b.seconds / b.threads;
  });
  const auto peak = std::minmax_element(
      ranks.begin(), ranks.end(), [](auto& a, auto& b) { return a.peak_bytes < b.peak_bytes; });
  std::string domains;
  if (searched) {
    domains = fmt::format("; {}, {} handed over",
                          shared_words(ranks, "domains", &RankReport::domains), handed_over);
  }
  return fmt::format("{} ranks: {}{}; busy {:.2f} to {:.2f} s; peak {:.0f} to {:.0f} MiB\n",
                     ranks.size(), shared_words(ranks, "rows", &RankReport::rows), domains,
                     busy.first->seconds / busy.first->threads,
                     busy.second->seconds / busy.second->threads,
                     static_cast<double>(peak.first->peak_bytes) / 0x1p20,
                     static_cast<double>(peak.second->peak_bytes) / 0x1p20);
}

}  // namespace coronet::cli
