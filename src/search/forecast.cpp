#include "search/forecast.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <variant>

#include "bound/reduce.h"
#include "bound/root.h"
#include "bound/swarm.h"
#include "graph/sharded.h"
#include "search/bounder.h"
#include "search/domain.h"
#include "search/prepared.h"

namespace coronet::search {

namespace {

using bound::RowForecast;

/// What malloc adds to a block.
constexpr std::size_t kBlock = 16;

/// Of a batch's children, about so many are positive in float32 at once, at most in a search, and
/// settled in double: on ResNets of CIFAR-10.
constexpr double kSettledShare = 0.6;

std::size_t domain_bytes(std::size_t slopes) {
  return sizeof(Domain) + kBlock + slopes * sizeof(std::uint16_t) + kBlock +
         kDecisionsOfADomain * sizeof(Decision);
}

RowForecast::Values select(const bound::Reduced& reduced, const RowForecast::Values& values) {
  RowForecast::Values some;
  for (std::size_t v = 0; v < values.size(); ++v) {
    some.push_back(reduced.select(static_cast<int>(v), values[v]));
  }
  return some;
}

bound::Network<double> sizes_of(const Graph& graph) {
  return {graph, [&graph](int v) {
            bound::PackBudget none;
            return bound::make_affine<double>(graph, v, none);
          }};
}

class Forecaster {
 public:
  Forecaster(const Graph& graph, const SearchToCome& run)
      : run_(run),
        whole_(graph, run.options.chunk_mib, run.options.threads, run_.values, run_.unstable),
        engine_(&whole_),
        graph_(&graph) {
    for (const Node& node : graph.nodes) {
      if (std::holds_alternative<Relu>(node.op)) relus_ += node.shape.size();
    }
  }

  SearchForecast run() {
    if (run_.options.attack) whole_.attack(bound::kSwarmPoints);
    const bool alpha = bound::method_of(run_.options.method) == bound::Method::kAlpha;
    root(0);
    reduce();
    if (alpha) root(run_.options.iterations);
    made_.root = buffers();
    domains();
    return made_;
  }

 private:
  /// The lists of the root. In some node about all neurons are open, so all are taken to be.
  void root(int iterations) {
    const bound::Network<double> net = sizes_of(*graph_);
    const std::vector<char> by_rows = bound::bounded_by_rows(net, false);
    const int hands = run_.options.threads * run_.ranks;
    for (int v = 0; v < net.nodes(); ++v) {
      if (by_rows[v] == 0) continue;
      engine_->bound({v, 2 * net.size(v), true, false, iterations, hands});
    }
    engine_->bound({net.nodes() - 1, run_.forms, false, run_.input_terms,
                    iterations > 0 ? run_.options.spec_iterations : 0, hands});
  }

  void reduce() {
    if (!run_.reduces) return;
    reduced_ = bound::drop_dead_in_sizes(
        *graph_, bound::supposed_bounds(*graph_, run_.values, run_.unstable));
    if (!reduced_) return;
    graph_ = &reduced_->graph;
    values_ = select(*reduced_, run_.values);
    small_.emplace(*graph_, run_.options.chunk_mib, run_.options.threads, values_, run_.unstable);
    engine_ = &*small_;
    made_.reduced_kernels = bound::kernel_bytes(*graph_, kPackBytes, true);
    made_.reduced_bounds = bound::root_bytes(*graph_);
    made_.reduced_weights = weight_bytes(*graph_);
  }

  void domains() {
    const bound::Network<double> net = sizes_of(*graph_);
    const int last = net.nodes() - 1;
    const bound::Plan plan = make_plan(net, last, false, run_.several);
    made_.batch = domains_at_once(plan, run_.options);
    const int rows = 2 * made_.batch;
    const int doubles = std::min(static_cast<int>(kSettledShare * rows), kDoublesAtOnce);
    engine_->bound_domains(rows, doubles, run_.input_terms, run_.several);
    std::size_t neurons = 0;
    for (const int v : plan.elementwise) {
      if (std::holds_alternative<Relu>(graph_->nodes[v].op)) neurons += net.size(v);
    }
    SearchForecast::Buffers& search = made_.search;
    search.a = buffers().a;
    search.slopes = bound::batch_bytes<float>(rows, neurons, true) +
                    bound::batch_bytes<double>(doubles, neurons, false);
    search.total = search.a + search.slopes;
    // Dead neurons are no longer among those of the reduced network.
    made_.domain = domain_bytes(static_cast<std::size_t>(
        std::lround(std::min<double>(neurons, run_.unstable * static_cast<double>(relus_)))));
    made_.domain_most = domain_bytes(neurons);
    made_.domain_work = engine_->work(
        {last, 1, false, run_.input_terms, std::max(1, run_.options.branch_iterations), 1});
    // The slopes of a domain go through buffers that the batch keeps.
    made_.domain_work.slopes = 0;
    made_.round = static_cast<std::size_t>(run_.options.threads) * made_.batch * 3 * made_.domain;
  }

  /// As they are now; of kinds that are not kept, the most so far.
  [[nodiscard]] SearchForecast::Buffers buffers() const {
    SearchForecast::Buffers sum;
    const auto add = [&](const RowForecast& worker) {
      const MemoryUsage usage = worker.usage();
      sum.a += usage[MemoryClass::kA].now;
      sum.slopes = std::max<std::size_t>(sum.slopes, usage[MemoryClass::kAlpha].most);
      sum.networks = std::max<std::size_t>(sum.networks, usage[MemoryClass::kNetworks].most);
    };
    add(whole_);
    if (small_) add(*small_);
    const std::size_t others = small_ ? whole_.usage()[MemoryClass::kA].now : 0;
    sum.total = std::max<std::size_t>(whole_.usage().total.most,
                                      small_ ? others + small_->usage().total.most : 0);
    return sum;
  }

  const SearchToCome run_;
  RowForecast whole_;
  std::optional<bound::Reduced> reduced_;
  RowForecast::Values values_;  // of reduced_
  std::optional<RowForecast> small_;
  RowForecast* engine_;
  const Graph* graph_;     // of the engine
  std::size_t relus_ = 0;  // of the whole graph
  SearchForecast made_;
};

}  // namespace

SearchForecast forecast_search(const Graph& graph, const SearchToCome& run) {
  return Forecaster(graph, run).run();
}

}  // namespace coronet::search
