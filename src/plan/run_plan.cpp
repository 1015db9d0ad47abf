#include "plan/run_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <variant>

#include "base/error.h"
#include "bound/ranks/leader.h"
#include "bound/row_memory.h"
#include "comm/shards.h"
#include "graph/products.h"
#include "graph/sharded.h"
#include "ops/tiles.h"
#include "plan/device_plan.h"
#include "plan/tensor_plan.h"
#include "plan/weights.h"
#include "search/prepared.h"

namespace coronet::plan {

namespace {

std::size_t index(MemoryClass of) { return static_cast<std::size_t>(of); }

/// The lists of rows that the run bounds, in its order.
std::vector<bound::RowsToCome> lists_of(const Graph& graph, const Question& question) {
  std::vector<bound::RowsToCome> lists;
  if (question.method == bound::Method::kInterval) return lists;
  const bool alpha = question.method == bound::Method::kAlpha;
  const bound::Network<double> net(graph, [&](int v) {
    bound::PackBudget none;
    return bound::make_affine<double>(graph, v, none);
  });
  const std::vector<char> by_rows = bound::bounded_by_rows(net, true);
  for (int v = 0; v < net.nodes(); ++v) {
    if (by_rows[v] == 0) continue;
    lists.push_back({v, 2 * net.size(v), true, false, alpha ? question.iterations : 0, 1});
  }
  if (question.forms > 0) {
    lists.push_back({net.nodes() - 1, question.forms, false, question.input_terms,
                     alpha ? question.spec_iterations : 0, 1});
  }
  return lists;
}

/// Of a file that weights are read from, in memory at a time: what is read before it is forgotten,
/// and the pages around it that the system brings; measured.
constexpr std::uint64_t kFileWindow = std::uint64_t{7} << 19;

class Planner {
 public:
  Planner(const Graph& graph, const Question& question, Place place)
      : graph_(graph), question_(question), place_(place) {
    plan_.mesh.rows = question.ranks;
    plan_.place = place;
    plan_.threads = question.threads;
  }

  RunPlan run() {
    place_weights();
    load();
    intervals();
    rows();
    return std::move(plan_);
  }

 private:
  void place_weights() {
    for (std::size_t v = 0; v < graph_.nodes.size(); ++v) {
      const Weight* weight = weight_of(graph_.nodes[v]);
      if (weight == nullptr) continue;
      WeightPlan one{static_cast<int>(v), graph_.nodes[v].name, bytes_of(*weight), 0};
      // Small weights stay in memory when they are read, unless ranks share them.
      const bool stays = place_ == Place::kStreamed && weight->here();
      if (place_ == Place::kReplicated || stays) one.here = one.bytes;
      if (place_ == Place::kSharded) {
        const auto [first, last] = comm::Shards::part(one.bytes, question_.ranks, 0);
        one.here = last - first;
      }
      all_ += one.bytes;
      at_rest_ += one.here;
      plan_.weights.push_back(std::move(one));
    }
    const bool packs = place_ != Place::kSharded;
    const bound::KernelBytes kernels =
        bound::kernel_bytes(graph_, packs ? search::kPackBytes : 0, place_ == Place::kReplicated);
    if (packs) packed_ = kernels.packed;
    scratch_ = kernels.scratch * static_cast<std::uint64_t>(question_.threads);
  }

  Phase begin(const char* name, bool packed, bool multiplied = false) const {
    Phase phase;
    phase.name = name;
    phase.bytes[index(MemoryClass::kWeights)] = at_rest_;
    if (packed) phase.bytes[index(MemoryClass::kPackedWeights)] = packed_;
    if (multiplied) phase.bytes[index(MemoryClass::kScratch)] = scratch_;
    return phase;
  }

  void end(Phase phase, std::uint64_t rest) {
    if (question_.ranks > 1) {
      std::uint64_t said = root_;  // the leader keeps it as it told it
      if (question_.processes) said += RunPlan::kLinkBytes;
      if (place_ == Place::kSharded && !question_.one_host) {
        said += std::min<std::uint64_t>(2 * kTileBytes, all_);  // tiles for others
      }
      phase.bytes[index(MemoryClass::kCommunication)] = said;
      rest += said;
    }
    phase.total = rest;
    const CostModel& cost = question_.cost;
    const double hands = question_.threads;
    for (const Transfer& t : phase.transfers) {
      const bool from_file = t.via == Via::kFileRead;
      phase.transfer_seconds +=
          static_cast<double>(t.bytes) / (from_file ? cost.file : cost.bandwidth) +
          (from_file ? 0 : t.letters * cost.latency / hands);
    }
    plan_.phases.push_back(std::move(phase));
  }

  void load() {
    Phase phase = begin("load", false);
    phase.compute_seconds = static_cast<double>(at_rest_) / question_.cost.file;
    // Pieces of the file on their way to where they stay.
    const std::uint64_t pieces =
        place_ == Place::kSharded ? std::min<std::uint64_t>(2 * kPieceBytes, all_) : 0;
    phase.bytes[index(MemoryClass::kTiles)] = pieces;
    end(std::move(phase), at_rest_ + pieces);
  }

  void intervals() {
    Phase phase = begin("intervals", true);
    root_ = bound::root_bytes(graph_);
    phase.bytes[index(MemoryClass::kBounds)] = root_;
    // Centre and radius, magnitudes: three products with a column.
    phase.compute_seconds =
        3 * static_cast<double>(products(graph_)) / question_.cost.columns / question_.threads;
    for (std::size_t i = 0; i < plan_.weights.size(); ++i) fetch(phase, i, 3, 3);
    const std::uint64_t tiles = tile_bytes(1);
    phase.bytes[index(MemoryClass::kTiles)] = tiles;
    end(std::move(phase), at_rest_ + packed_ + root_ + tiles);
  }

  void rows() {
    std::vector<bound::RowsToCome> lists = lists_of(graph_, question_);
    if (lists.empty()) return;
    const bool alpha = question_.method == bound::Method::kAlpha;
    Phase phase = begin(alpha ? "alpha" : "CROWN", true, true);
    bound::RowForecast worker(graph_, question_.chunk_mib, question_.threads, question_.values);
    for (bound::RowsToCome& list : lists) {
      const double passes = 1 + 2.0 * list.iterations;
      const bool dealt = question_.ranks > 1 &&
                         static_cast<double>(products(graph_, list.node)) * list.count * passes >=
                             bound::Ranks::kWorthDealing;
      const int ranks = dealt ? question_.ranks : 1;
      list.hands = question_.threads * ranks;
      const int part = std::max(1, worker.bound(list));
      bound::RowWork work;
      work.add(worker.work(list), static_cast<double>(list.count) / ranks);
      phase.work.add(work, 1);
      phase.compute_seconds += question_.cost.seconds(work) / question_.threads;
      const double parts = std::ceil(static_cast<double>(list.count) / part) / ranks;
      for (std::size_t i = 0; i < plan_.weights.size(); ++i) {
        const int v = plan_.weights[i].node;
        if (v > list.node) continue;
        // A selection takes its rows of the first weight, and multiplies by the others.
        const double passes_here = parts * passes;
        const double share =
            v == list.node && list.selection
                ? std::min(1.0, static_cast<double>(part) / graph_.nodes[v].shape.size())
                : 1.0;
        fetch(phase, i, passes_here * share, passes_here);
      }
      if (dealt) {
        // Nodes before the last list's are as they were told then.
        phase.transfers.push_back(
            {list.node, Via::kRootBroadcast, bound::root_bytes(graph_, told_, list.node), 1});
        told_ = list.node;
        phase.transfers.push_back({list.node, Via::kRowsGathered,
                                   sizeof(double) * static_cast<std::uint64_t>(list.count) /
                                       static_cast<std::uint64_t>(ranks),
                                   parts});
      }
    }
    const MemoryUsage usage = worker.usage();
    const auto threads = static_cast<std::uint64_t>(question_.threads);
    for (const MemoryClass of : {MemoryClass::kA, MemoryClass::kAlpha, MemoryClass::kNetworks}) {
      phase.bytes[index(of)] = threads * usage[of].most;
    }
    phase.bytes[index(MemoryClass::kBounds)] = root_;
    const std::uint64_t tiles = tile_bytes(question_.threads);
    phase.bytes[index(MemoryClass::kTiles)] = tiles;
    end(std::move(phase),
        at_rest_ + packed_ + scratch_ + root_ + tiles + threads * usage.total.most);
  }

  /// What comes of weight i where it is passed over so often, in so many rounds of tiles.
  void fetch(Phase& phase, std::size_t i, double often, double rounds) const {
    const WeightPlan& weight = plan_.weights[i];
    const std::uint64_t away = weight.bytes - weight.here;
    if (away == 0) return;
    const double tiles = std::ceil(static_cast<double>(weight.bytes) / kTileBytes);
    phase.transfers.push_back(
        {weight.node, place_ == Place::kStreamed ? Via::kFileRead : Via::kTileFetch,
         static_cast<std::uint64_t>(static_cast<double>(away) * often), tiles * rounds});
  }

  /// For each thread, tiles of the widest rows: two, or one that is read when it is used, from the
  /// file or another rank's memory; of a convolution, all of it twice: as it is and packed.
  [[nodiscard]] std::uint64_t tile_bytes(int threads) const {
    std::uint64_t most = 0;
    for (const WeightPlan& weight : plan_.weights) {
      // A rank that has all parts uses them where they lie; but convolutions are packed.
      if (weight.here == weight.bytes && place_ != Place::kSharded) continue;
      const Node& node = graph_.nodes[static_cast<std::size_t>(weight.node)];
      std::uint64_t held = 3 * weight.bytes;
      if (const Dense* dense = std::get_if<Dense>(&node.op)) {
        if (weight.here == weight.bytes) continue;
        const std::uint64_t row = weight.bytes / static_cast<std::uint64_t>(dense->out);
        const bool nearby =
            place_ == Place::kStreamed || (question_.ranks > 1 && question_.one_host);
        const std::uint64_t tile = row * std::max<std::uint64_t>(1, kTileBytes / row);
        held = std::min(weight.bytes, (nearby ? 1 : 2) * tile);
      }
      most = std::max(most, held);
    }
    const std::uint64_t file =
        place_ == Place::kStreamed && most > 0 ? std::min(all_ - at_rest_, kFileWindow) : 0;
    return most * static_cast<std::uint64_t>(threads) + file;
  }

  const Graph& graph_;
  const Question& question_;
  Place place_;
  RunPlan plan_;
  std::uint64_t all_ = 0;  // bytes of weights
  std::uint64_t at_rest_ = 0;
  std::uint64_t packed_ = 0;
  std::uint64_t scratch_ = 0;  // of all threads
  std::uint64_t root_ = 0;
  int told_ = 0;  // the node of the last list that was dealt
};

std::string mib(std::uint64_t bytes) {
  return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / 0x1p20);
}

/// "CROWN takes 80.2 MiB: weights 57.0 MiB, A 20.1 MiB"
std::string need_words(const RunPlan& plan) {
  if (plan.device) return device_need_words(plan);
  const Phase& peak = plan.peak();
  std::string words = fmt::format("{} takes {} in its {} phase: the process {}",
                                  plan.mesh.tensor > 1 ? words_of(plan.mesh) : name_of(plan.place),
                                  mib(plan.peak_bytes()), peak.name, mib(plan.process_bytes()));
  for (int i = 0; i < kMemoryClasses; ++i) {
    if (peak.bytes[i] > 0) {
      words += fmt::format(", {} {}", coronet::name_of(memory_class(i)), mib(peak.bytes[i]));
    }
  }
  return words;
}

/// What would help a run that does not fit, by trying it.
std::string help_words(const Graph& graph, const Question& question) {
  if (question.device) return device_help_words(graph, question);
  const auto fits = [&](const Question& q, Place place) {
    return make_run_plan(graph, q, place).peak_bytes() <= question.memory;
  };
  std::string help;
  const auto add = [&](const std::string& words) { help += (help.empty() ? "" : ", or ") + words; };
  constexpr int kMostRanks = 4096;
  Question wider = question;
  while (wider.tensor > 1 && wider.ranks < kMostRanks && !fits(wider, Place::kReplicated)) {
    wider.tensor *= 2;
    wider.ranks *= 2;
  }
  if (wider.tensor > question.tensor && fits(wider, Place::kReplicated)) {
    add(fmt::format("--mesh {}", words_of(Mesh{1, wider.ranks / wider.tensor, wider.tensor})));
  }
  Question more = question;
  more.tensor = 1;  // the weights are then elsewhere in other ways
  while (more.ranks < kMostRanks && !fits(more, Place::kSharded)) more.ranks *= 2;
  if (more.ranks > question.ranks && fits(more, Place::kSharded)) {
    add(fmt::format("--weights fsdp on {} ranks", more.ranks));
  }
  Question less = question;
  less.tensor = 1;
  while (less.chunk_mib > 0.5 && !fits(less, Place::kStreamed)) less.chunk_mib /= 2;
  if (fits(less, Place::kStreamed)) {
    add(less.chunk_mib < question.chunk_mib
            ? fmt::format("--weights stream --chunk-mib {}", less.chunk_mib)
            : "--weights stream");
  }
  if (question.threads > 1) add(fmt::format("fewer --threads than {}", question.threads));
  return help.empty() ? "nothing but more memory" : help;
}

}  // namespace

const char* name_of(Place place) {
  switch (place) {
    case Place::kReplicated:
      return "replicated";
    case Place::kSharded:
      return "fsdp";
    case Place::kStreamed:
      return "stream";
  }
  return "";
}

const char* name_of(Via via) {
  switch (via) {
    case Via::kTileFetch:
      return "tile fetch";
    case Via::kFileRead:
      return "file read";
    case Via::kRootBroadcast:
      return "root broadcast";
    case Via::kRowsGathered:
      return "rows gathered";
    case Via::kHostCopy:
      return "copied to the GPU";
    case Via::kColumnsGathered:
      return "intervals gathered";
    case Via::kRowsPulled:
      return "A summed up";
    case Via::kRowsPushed:
      return "values gathered";
    case Via::kBoundsSummed:
      return "bounds summed up";
  }
  return "";
}

const Phase& RunPlan::peak() const {
  return *std::max_element(phases.begin(), phases.end(),
                           [](const Phase& a, const Phase& b) { return a.total < b.total; });
}

double RunPlan::seconds() const {
  double sum = 0;
  for (const Phase& phase : phases) sum += phase.seconds();
  return sum;
}

RunPlan make_run_plan(const Graph& graph, const Question& question, Place place) {
  if (question.device) return make_device_plan(graph, question, place);
  if (question.tensor > 1) return make_tensor_plan(graph, question);
  return Planner(graph, question, place).run();
}

RunPlan choose_run_plan(const Graph& graph, const Question& question,
                        const std::vector<Place>& places) {
  std::optional<RunPlan> best;
  std::string needs;
  for (const Place place : places) {
    RunPlan plan = make_run_plan(graph, question, place);
    if (question.memory > 0 && plan.peak_bytes() > question.memory) {
      needs += (needs.empty() ? "" : "; ") + need_words(plan);
    } else if (!best || plan.seconds() < best->seconds()) {
      best = std::move(plan);
    }
  }
  if (best) return *std::move(best);
  throw Error(
      ErrorKind::kOutOfMemory,
      fmt::format("no plan fits into {} {} each of {} rank{}: {}. What would help: {}",
                  mib(question.memory), question.device ? "of the GPU of" : "on", question.ranks,
                  question.ranks == 1 ? "" : "s", needs, help_words(graph, question)));
}

}  // namespace coronet::plan
