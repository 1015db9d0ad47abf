#include "plan/search_plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace coronet::plan {

namespace {

std::uint64_t& of(Phase& phase, MemoryClass what) {
  return phase.bytes[static_cast<std::size_t>(what)];
}

/// A phase of the search with these buffers of each of the threads.
void hold(Phase& phase, const search::SearchForecast::Buffers& worker, std::uint64_t threads) {
  of(phase, MemoryClass::kA) = threads * worker.a;
  of(phase, MemoryClass::kAlpha) = threads * worker.slopes;
  of(phase, MemoryClass::kNetworks) = threads * worker.networks;
  phase.total = threads * worker.total;
  for (int i = 0; i < kMemoryClasses; ++i) {
    const MemoryClass what = memory_class(i);
    const bool of_workers =
        what == MemoryClass::kA || what == MemoryClass::kAlpha || what == MemoryClass::kNetworks;
    if (!of_workers) phase.total += phase.bytes[static_cast<std::size_t>(i)];
  }
}

}  // namespace

SearchPlan add_search(RunPlan& plan, const Graph& graph, const Question& question,
                      const SearchQuestion& asked) {
  search::SearchToCome run = asked.run;
  run.options.threads = question.threads;
  run.ranks = question.ranks;
  run.reduces = plan.place == Place::kReplicated;
  const search::SearchForecast forecast = forecast_search(graph, run);
  const auto threads = static_cast<std::uint64_t>(question.threads);

  Phase& root = plan.phases.back();
  root.name = "root";
  of(root, MemoryClass::kWeights) += forecast.reduced_weights;
  of(root, MemoryClass::kPackedWeights) += forecast.reduced_kernels.packed;
  of(root, MemoryClass::kScratch) += threads * forecast.reduced_kernels.scratch;
  of(root, MemoryClass::kBounds) += forecast.reduced_bounds;
  Phase search;
  search.name = "search";
  search.bytes = root.bytes;
  hold(root, forecast.root, threads);
  of(search, MemoryClass::kDomains) = forecast.round;
  hold(search, forecast.search, threads);

  SearchPlan made;
  made.batch = forecast.batch;
  made.domain = forecast.domain;
  made.domain_most = forecast.domain_most;
  made.open = asked.open;
  const std::uint64_t others = plan.process_bytes() + search.total;
  const std::uint64_t left = question.memory > others ? question.memory - others : 0;
  made.fit = std::min(left, question.memory / 2) / made.domain;
  const double seconds = question.cost.seconds(forecast.domain_work);
  if (seconds > 0) made.domains_a_second = question.threads / seconds;
  of(search, MemoryClass::kDomains) += made.open * made.domain;
  search.total += made.open * made.domain;
  plan.phases.push_back(std::move(search));
  if (question.memory > 0 && plan.peak_bytes() > question.memory) {
    throw Error(ErrorKind::kOutOfMemory,
                fmt::format("{} takes {:.1f} MiB in its {} phase, of {:.1f} MiB on each rank; "
                            "without open domains {:.1f} MiB. What would help: smaller --chunk-mib "
                            "or --batch, fewer --threads, more ranks",
                            name_of(plan.place), static_cast<double>(plan.peak_bytes()) / 0x1p20,
                            plan.peak().name, static_cast<double>(question.memory) / 0x1p20,
                            static_cast<double>(others) / 0x1p20));
  }
  return made;
}

}  // namespace coronet::plan
