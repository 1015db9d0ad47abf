#include "search/ranks/shared_refinement.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "bound/ranks/leader.h"
#include "bound/ranks/packets.h"
#include "comm/run_as.h"
#include "search/fits.h"
#include "search/ranks/letters.h"

namespace coronet::search {

namespace {

/// By turns: neurons that are near each other take about as long.
std::vector<int> part_of(const std::vector<int>& neurons, int rank, int ranks) {
  std::vector<int> part;
  for (std::size_t i = rank; i < neurons.size(); i += ranks) part.push_back(neurons[i]);
  return part;
}

void note(RankReport& report, const RefinedPart& part) {
  report.domains += part.domains;
  report.seconds += part.busy * report.threads;
  report.peak_bytes = std::max(report.peak_bytes, part.peak_bytes);
}

}  // namespace

Refined share_refinement(bound::Context& context, const bound::Root& root, int v,
                         const std::vector<int>& neurons, const RefineSettings& settings) {
  bound::Ranks& ranks = *settings.ranks;
  comm::Communicator& group = ranks.group();
  comm::Writer order;
  order.put(SearchOrder::kRefine);
  order.put(context.deadline.left());
  order.put(settings.seconds);
  order.put(v);
  order.put(neurons);
  order.put(settings.iterations);
  order.put(static_cast<std::uint64_t>(settings.memory_bytes));
  bound::put_root(order, root, v);
  ranks.search(*context.ranks, order.take());

  Refined all;
  all.bound.assign(2 * neurons.size(), -HUGE_VAL);
  const auto place = [&](int rank, const std::vector<double>& bound) {
    for (std::size_t i = 0; i < bound.size(); ++i) {
      all.bound[2 * (rank + i / 2 * group.size()) + i % 2] = bound[i];
    }
  };
  comm::run_as(group.channel(), [&](comm::Channel& channel) {
    RefineSettings mine = settings;
    mine.stop = [&] { return channel.broken() || settings.stop(); };
    const double begin = elapsed_seconds();
    const Refined own = refine_neurons(context, root, v, part_of(neurons, 0, group.size()), mine);
    note(ranks.report(0), {own.domains, elapsed_seconds() - begin, peak_resident_bytes()});
    all.domains = own.domains;
    place(0, own.bound);
    for (int r = 1; r < group.size(); ++r) {
      const comm::Letter letter = group.receive(r, kRefinedTag, kRefinedWords);
      comm::Reader reader(letter.bytes, r);
      const auto part = reader.get<RefinedPart>();
      const auto bound = reader.get<std::vector<double>>();
      reader.end();
      reader.require(part.domains >= 0, "a count of domains");
      reader.require(bound.size() == 2 * part_of(neurons, r, group.size()).size(),
                     "a bound for each side of each neuron");
      // Nothing is known (-infinity), or a number.
      reader.require(std::all_of(bound.begin(), bound.end(), [](double b) { return b < HUGE_VAL; }),
                     "a neuron's bound is no number");
      note(ranks.report(r), part);
      all.domains += part.domains;
      place(r, bound);
    }
  });
  return all;
}

void take_part_in_refinement(comm::Communicator& group, bound::Context& context,
                             comm::Reader& order) {
  const double begin = elapsed_seconds();
  const Deadline until =
      Deadline(begin + bound::get_seconds(order)).unless(group.channel().broken());
  const Graph& graph = context.net32.graph();
  const auto v = order.get<int>();
  order.require(v >= 0 && v < static_cast<int>(graph.nodes.size()), "a node that is none");
  const auto neurons = order.get<std::vector<int>>();
  order.require(ascending_below(neurons, graph.nodes[v].shape.size()), "neurons that are none");
  RefineSettings settings;
  settings.iterations = order.get<int>();
  order.require(settings.iterations >= 1, "iterations");
  settings.memory_bytes = static_cast<std::size_t>(order.get<std::uint64_t>());
  settings.stop = [&] { return until.passed(); };
  const bound::Root root = bound::get_root(order, graph, v);
  order.end();
  const Refined refined =
      refine_neurons(context, root, v, part_of(neurons, group.rank(), group.size()), settings);
  comm::Writer answer;
  answer.put(RefinedPart{refined.domains, elapsed_seconds() - begin, peak_resident_bytes()});
  answer.put(refined.bound);
  group.send(0, kRefinedTag, kRefinedWords, answer.take());
}

}  // namespace coronet::search
