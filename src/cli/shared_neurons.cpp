#include "cli/shared_neurons.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/resources.h"
#include "cli/held_network.h"
#include "io/onnx.h"
#include "search/prepared.h"

namespace coronet::cli {

namespace {

constexpr const char* kProgram = "coronet " CORONET_VERSION;

/// "3 to 5": the least and the largest of what fn says of each, in whole numbers.
template <class List, class Fn>
std::string span_words(const List& list, const Fn& fn) {
  double least = HUGE_VAL;
  double most = 0;
  for (std::size_t i = 0; i < list.size(); ++i) {
    least = std::min(least, fn(i));
    most = std::max(most, fn(i));
  }
  return fmt::format("{:.1f} to {:.1f}", least, most);
}

}  // namespace

bound::TensorRun join_neurons(comm::Channel& channel, const Mesh& mesh, Graph& graph,
                              const Options& options) {
  return {channel, mesh, graph, kProgram, options, search::kPackBytes};
}

void serve_neurons(comm::Channel& channel, const Mesh& mesh, const std::string& path,
                   const Options& options) {
  HeldNetwork network(Model::read(path), &channel, options, mesh);
  bound::TensorRun run = join_neurons(channel, mesh, network.graph(), options);
  while (run.more()) run.answer();
}

bound::FoundBounds bound_shared(comm::Channel& channel, const Mesh& mesh, Graph& graph,
                                const search::GraphBox& box, const Forms& forms,
                                const Options& options) {
  bound::TensorQuery query;
  query.lower = box.lower;
  query.upper = box.upper;
  query.method = bound::method_of(options.method);
  query.iterations = options.iterations;
  if (query.method != bound::Method::kInterval) query.forms = forms.list;
  query.form_settings = form_settings(options, query.method);
  query.seconds = options.timeout > 0 ? options.timeout - elapsed_seconds() : HUGE_VAL;
  bound::TensorRun run = join_neurons(channel, mesh, graph, options);
  run.more(true);
  bound::FoundBounds found = run.bound(&query);
  run.more(false);
  if (query.method == bound::Method::kInterval) found.forms = interval_forms(found.bounds, forms);
  return found;
}

std::string share_words(const bound::FoundBounds& found) {
  const std::vector<bound::TensorReport>& shares = found.shares;
  if (shares.empty()) return "";
  const auto mib = [](std::uint64_t bytes) { return static_cast<double>(bytes) / 0x1p20; };
  return fmt::format(
      "each rank's share: weights {} MiB, buffers {} MiB; {} MiB told the others; {} s of its "
      "threads' {} s to tell them and to wait for them{}\n",
      span_words(shares, [&](std::size_t r) { return mib(shares[r].weight_bytes); }),
      span_words(shares, [&](std::size_t r) { return mib(shares[r].work_bytes); }),
      span_words(shares, [&](std::size_t r) { return mib(shares[r].told_bytes); }),
      span_words(shares, [&](std::size_t r) { return shares[r].collective_seconds; }),
      span_words(found.ranks, [&](std::size_t r) { return found.ranks[r].seconds; }),
      found.link.empty() ? "" : "; GPUs by " + found.link);
}

}  // namespace coronet::cli
