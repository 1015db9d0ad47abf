#include "plan/device_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <variant>

#include "base/error.h"
#include "bound/device_chunks.h"
#include "bound/device_forecast.h"
#include "bound/ranks/leader.h"
#include "bound/supposed.h"
#include "cuda/striped.h"
#include "graph/products.h"

namespace coronet::plan {

namespace {

/// More than any device has, and few enough for sums of it.
constexpr std::size_t kUnlimited = std::size_t{1} << 50;

/// Rows of both signs of every neuron.
bound::RowList all_rows(const Graph& graph, int v) {
  bound::RowList list;
  list.node = v;
  for (int j = 0; j < graph.nodes[static_cast<std::size_t>(v)].shape.size(); ++j) {
    list.neuron.insert(list.neuron.end(), {j, j});
    list.sign.insert(list.sign.end(), {1.0F, -1.0F});
  }
  return list;
}

/// Dense rows over the outputs, as a property's are.
bound::RowList forms_of(const Graph& graph, const Question& question) {
  bound::RowList list;
  list.node = static_cast<int>(graph.nodes.size()) - 1;
  const auto forms = static_cast<std::size_t>(question.forms);
  list.dense.resize(forms * static_cast<std::size_t>(graph.outputs()));
  list.constant.resize(forms);
  if (question.input_terms) list.input.resize(forms * static_cast<std::size_t>(graph.inputs()));
  return list;
}

class DevicePlanner {
 public:
  DevicePlanner(const Graph& graph, const Question& question, Place place, std::size_t limit,
                double chunk_mib)
      : graph_(graph),
        question_(question),
        place_(place),
        limit_(limit),
        chunk_mib_(chunk_mib),
        root_(question.supposed ? question.supposed
                                : std::make_shared<const bound::Root>(bound::open_root(graph))) {
    plan_.mesh.rows = question.ranks;
    plan_.place = place;
    plan_.threads = question.threads;
    plan_.device = true;
  }

  RunPlan run() {
    place_weights();
    bound::DeviceForecast forecast(graph_, settings());
    Phase load = begin("load");
    hold(forecast, load);
    load.compute_seconds = static_cast<double>(at_rest_) / question_.cost.file;
    load.transfer_seconds = load.waited_seconds = forecast.clock().transfer();
    Phase intervals = begin("intervals");
    const int arithmetics = question_.method == bound::Method::kAlpha ? 2 : 1;
    intervals.compute_seconds = question_.cost.gpu.start * arithmetics;
    Phase rows = begin(question_.method == bound::Method::kAlpha ? "alpha" : "CROWN");
    const bool by_rows = question_.method != bound::Method::kInterval;
    const std::vector<char> bounded = bound::bounded_by_rows(
        bound::Network<double>(graph_,
                               [&](int v) {
                                 bound::PackBudget none;
                                 return bound::make_affine<double>(graph_, v, none);
                               }),
        true);
    for (int v = 1; v < static_cast<int>(graph_.nodes.size()); ++v) {
      columns(forecast, v, intervals);
      if (by_rows && bounded[static_cast<std::size_t>(v)] != 0) {
        bound_list(forecast, all_rows(graph_, v), question_.iterations, rows);
      }
    }
    if (by_rows && question_.forms > 0) {
      bound_list(forecast, forms_of(graph_, question_), question_.spec_iterations, rows);
    }
    hold(forecast, rows);
    plan_.phases = {std::move(load), std::move(intervals)};
    if (by_rows) plan_.phases.push_back(std::move(rows));
    return std::move(plan_);
  }

 private:
  [[nodiscard]] bound::DeviceSettings settings() const {
    bound::DeviceSettings settings;
    settings.limit = limit_;
    settings.ranks = question_.ranks;
    settings.shared = place_ == Place::kSharded;
    settings.streamed = place_ == Place::kStreamed;
    settings.single = question_.single;
    settings.rates = question_.cost.gpu;
    // Tiles of other hosts come through both hosts.
    if (!question_.one_host) {
      settings.rates.peer = std::min(settings.rates.peer, question_.cost.bandwidth);
    }
    if (settings.streamed) settings.rates.host = std::min(settings.rates.host, question_.cost.file);
    const bool here = place_ == Place::kReplicated || (settings.streamed && bound_here());
    const double mib = chunk_mib_ > 0 ? chunk_mib_
                       : here         ? bound::kDeviceChunkMib
                                      : bound::kFetchedChunkMib;
    settings.chunk_bytes = static_cast<std::size_t>(mib * 0x1p20);
    return settings;
  }
  [[nodiscard]] bool bound_here() const { return weights_here(graph_); }

  /// At rest on the GPU: of a dense weight all of it, in double beside float32 where that does not
  /// hold it, or this rank's stripes; of a convolution all.
  void place_weights() {
    for (std::size_t v = 0; v < graph_.nodes.size(); ++v) {
      const Node& node = graph_.nodes[v];
      const Dense* dense = std::get_if<Dense>(&node.op);
      const Conv* conv = std::get_if<Conv>(&node.op);
      if (dense == nullptr && conv == nullptr) continue;
      const Weight& weight = dense != nullptr ? dense->weight : conv->weight;
      const std::size_t each = weight.single() ? sizeof(float) : sizeof(double);
      WeightPlan one{static_cast<int>(v), node.name, weight.size() * each, 0};
      std::uint64_t host = one.bytes;
      one.here = one.bytes;
      if (place_ == Place::kSharded) {
        host = one.bytes / static_cast<std::uint64_t>(question_.ranks);
        if (dense != nullptr) {
          const cuda::Striped cut(dense->out, dense->in, each, question_.ranks);
          one.here = cut.place(cut.tiles(), 0);
        }
      } else if (place_ == Place::kStreamed && !weight.here()) {
        host = 0;
        if (dense != nullptr) one.here = 0;
      } else if (dense != nullptr && !weight.single()) {
        one.here += weight.size() * sizeof(float);
      }
      at_rest_ += host;
      plan_.weights.push_back(std::move(one));
    }
  }

  static Phase begin(const char* name) {
    Phase phase;
    phase.name = name;
    return phase;
  }

  /// What the forecast has taken since it last forgot belongs to the phase; and what lies unused
  /// between blocks to that for which the arena grew.
  void hold(bound::DeviceForecast& forecast, Phase& phase) {
    for (std::size_t t = 0; t < phase.device.size(); ++t) {
      phase.device[t] = std::max<std::uint64_t>(phase.device[t], forecast.most().by[t]);
    }
    const std::size_t reserved = forecast.reserved();
    phase.total = std::max<std::uint64_t>(phase.total,
                                          reserved > reserved_ ? reserved : forecast.most().total);
    reserved_ = std::max(reserved_, reserved);
    forecast.forget_most();
  }

  void columns(bound::DeviceForecast& forecast, int v, Phase& phase) {
    const bound::DeviceClock before = forecast.clock();
    forecast.columns(v);
    hold(forecast, phase);
    phase.compute_seconds += forecast.clock().seconds() - before.seconds();
    note(forecast.clock(), before, v, phase);
  }

  void bound_list(bound::DeviceForecast& forecast, const bound::RowList& list, int iterations,
                  Phase& phase) {
    if (question_.method != bound::Method::kAlpha) iterations = 0;
    const int rows = list.count(graph_.nodes[static_cast<std::size_t>(list.node)].shape.size());
    const double each = static_cast<double>(products(graph_, list.node));
    const bool dealt =
        question_.ranks > 1 && each * rows * (1 + 2.0 * iterations) >= bound::Ranks::kWorthDealing;
    const int ranks = dealt ? question_.ranks : 1;
    if (!on_device(rows, list.node)) {
      const CostModel& cost = question_.cost;
      phase.compute_seconds += each * rows *
                               (2.0 * iterations / cost.products32 + 1 / cost.products64) /
                               std::min(rows, question_.threads) / ranks;
      return;
    }
    const bound::DeviceClock before = forecast.clock();
    const bound::DeviceRowsWork work = forecast.rows(*root_, list, iterations, ranks);
    hold(forecast, phase);
    const bound::DeviceClock& after = forecast.clock();
    phase.work.matrices32 += after.products32() - before.products32();
    phase.work.matrices64 += after.products64() - before.products64();
    const double took = dealt_seconds(work.chunks, work.seconds / work.here, ranks,
                                      dealt ? late_seconds(list.node) : 0);
    phase.compute_seconds += work.before + work.compute;
    phase.transfer_seconds += after.transfer() - before.transfer();
    phase.waited_seconds += std::max(0.0, took - work.compute);
    note(after, before, list.node, phase);
    if (!dealt) return;
    // Nodes before the last list's are as they were told then.
    const std::uint64_t root = bound::root_bytes(graph_, told_, list.node);
    told_ = list.node;
    const auto gathered = static_cast<std::uint64_t>(sizeof(double) * rows / ranks);
    phase.transfers.push_back({list.node, Via::kRootBroadcast, root, 1});
    phase.transfers.push_back(
        {list.node, Via::kRowsGathered, gathered, static_cast<double>(work.here)});
  }

  /// Until so many chunks are done that ranks take one after the other, where all but the first of
  /// them come late.
  static double dealt_seconds(int chunks, double each, int ranks, double late) {
    std::vector<double> done(static_cast<std::size_t>(ranks), late);
    done[0] = 0;
    for (int i = 0; i < chunks; ++i) *std::min_element(done.begin(), done.end()) += each;
    return *std::max_element(done.begin(), done.end());
  }
  /// The others bring the weights of this list's network that they have not yet; the first rank did
  /// so for the intervals.
  double late_seconds(int node) {
    double bytes = 0;
    for (const WeightPlan& w : plan_.weights) {
      if (place_ != Place::kReplicated || w.node > node || w.node <= brought_) continue;
      bytes += static_cast<double>(w.bytes);
    }
    brought_ = std::max(brought_, node);
    return bytes / question_.cost.gpu.host;
  }

  /// Beside a device the workers bound what is less than its launches take (bound/context.h).
  [[nodiscard]] bool on_device(int rows, int node) const {
    const int busy = std::clamp(rows / bound::Context::kRowsOfAWorker, 1, question_.threads);
    return static_cast<double>(rows) * static_cast<double>(products(graph_, node)) >=
           bound::Context::kDeviceProducts * busy;
  }

  /// Weights that came, of all nodes up to v.
  static void note(const bound::DeviceClock& now, const bound::DeviceClock& before, int v,
                   Phase& phase) {
    const auto add = [&](Via via, double bytes, double tiles) {
      if (bytes <= 0) return;
      phase.transfers.push_back({v, via, static_cast<std::uint64_t>(bytes), tiles});
    };
    add(Via::kTileFetch, now.fetched() - before.fetched(), now.tiles() - before.tiles());
    add(Via::kHostCopy, now.from_host() - before.from_host(), 0);
  }

  const Graph& graph_;
  const Question& question_;
  Place place_;
  std::size_t limit_;
  double chunk_mib_;
  std::shared_ptr<const bound::Root> root_;
  RunPlan plan_;
  std::size_t reserved_ = 0;   // by the arena so far
  int brought_ = -1;           // the last node whose weights the other ranks have
  int told_ = 0;               // the node of the last list that was dealt
  std::uint64_t at_rest_ = 0;  // of weights, in memory of the host
};

std::string mib(std::uint64_t bytes) {
  return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / 0x1p20);
}

/// The least that a GPU must have, to a MiB.
std::uint64_t least_memory(const Graph& graph, Question question, Place place) {
  const auto fits = [&](std::uint64_t bytes) {
    question.memory = bytes;
    return make_device_plan(graph, question, place).peak_bytes() <= bytes;
  };
  std::uint64_t enough = std::max<std::uint64_t>(question.memory, std::uint64_t{1} << 20);
  while (!fits(enough)) enough *= 2;
  std::uint64_t little = 0;
  while (enough - little > (std::uint64_t{1} << 20)) {
    const std::uint64_t middle = little + (enough - little) / 2;
    (fits(middle) ? enough : little) = middle;
  }
  return enough;
}

}  // namespace

RunPlan make_device_plan(const Graph& graph, const Question& question, Place place) {
  const std::size_t limit = question.memory > 0 ? question.memory : kUnlimited;
  try {
    return DevicePlanner(graph, question, place, limit, question.device_chunk_mib).run();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kOutOfMemory) throw;
  }
  // A chunk has 32 rows at least.
  return DevicePlanner(graph, question, place, kUnlimited, 0x1p-20).run();
}

std::string device_need_words(const RunPlan& plan) {
  const Phase& peak = plan.peak();
  std::string words =
      fmt::format("{} takes {} of it in its {} phase, with the smallest chunks of rows",
                  name_of(plan.place), mib(plan.peak_bytes()), peak.name);
  for (int t = 0; t < cuda::kTensors; ++t) {
    if (peak.device[static_cast<std::size_t>(t)] == 0) continue;
    words += fmt::format("{} {} {}", words.find(':') == std::string::npos ? ":" : ",",
                         cuda::name_of(static_cast<cuda::Tensor>(t)),
                         mib(peak.device[static_cast<std::size_t>(t)]));
  }
  return words;
}

std::string device_help_words(const Graph& graph, const Question& question) {
  const auto fits = [&](const Question& q, Place place) {
    return make_device_plan(graph, q, place).peak_bytes() <= question.memory;
  };
  std::string help;
  const auto add = [&](const std::string& words) { help += (help.empty() ? "" : ", or ") + words; };
  constexpr int kMostRanks = 1024;
  Question more = question;
  while (more.ranks < kMostRanks && !fits(more, Place::kSharded)) more.ranks *= 2;
  if (more.ranks > question.ranks && fits(more, Place::kSharded)) {
    add(fmt::format("--weights fsdp on {} ranks with a GPU each", more.ranks));
  }
  if (fits(question, Place::kStreamed)) add("--weights stream");
  // Weights may stay on the host: less than with all that is wanted there.
  std::string least;
  for (const Place place : {Place::kReplicated, Place::kSharded, Place::kStreamed}) {
    least += fmt::format("{}{} for {}", least.empty() ? "" : ", ",
                         mib(least_memory(graph, question, place)), name_of(place));
  }
  add("GPUs with more memory: at least " + least);
  return help;
}

}  // namespace coronet::plan
