#include "bound/ranks/protocol.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cmath>
#include <span>

#include "base/resources.h"
#include "graph/fingerprint.h"
#include "graph/sharded.h"

namespace coronet::bound {

namespace {

/// More threads than any rank has.
constexpr int kMostWorkers = 1 << 16;

std::string host_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return "?";
  return name.data();
}

}  // namespace

double get_seconds(comm::Reader& reader) {
  const auto seconds = reader.get<double>();
  reader.require(!std::isnan(seconds), "a time that is none");
  return seconds;
}

std::vector<RankIdentity> meet(comm::Communicator& ranks, const Graph& graph,
                               const std::string& program, int workers) {
  comm::Writer writer;
  writer.put(program);
  writer.put(fingerprint(graph));
  writer.put(workers);
  writer.put(host_name());
  writer.put(peak_resident_bytes());
  writer.put(std::uint64_t{weight_bytes_here(graph)});
  std::vector<RankIdentity> all;
  std::string leaders_program;
  std::uint64_t leaders_graph = 0;
  for (const comm::Bytes& bytes : ranks.all_gather(writer.take())) {
    comm::Reader reader(bytes, static_cast<int>(all.size()));
    const auto its_program = reader.get<std::string>();
    const auto its_graph = reader.get<std::uint64_t>();
    RankIdentity& who = all.emplace_back();
    reader.get(who.workers);
    reader.get(who.host);
    reader.get(who.peak_bytes);
    reader.get(who.weight_bytes);
    reader.end();
    reader.require(who.workers >= 1 && who.workers <= kMostWorkers, "so many threads");
    if (all.size() == 1) {
      leaders_program = its_program;
      leaders_graph = its_graph;
    } else if (its_program != leaders_program) {
      throw Error(ErrorKind::kBadInput,
                  fmt::format("rank {} on {} runs {}, rank 0 runs {}", all.size() - 1, who.host,
                              its_program, leaders_program));
    } else if (its_graph != leaders_graph) {
      throw Error(ErrorKind::kBadInput,
                  fmt::format("rank {} on {} has read another network than rank 0 (for runs of "
                              "their own: --ranks 1)",
                              all.size() - 1, who.host));
    }
  }
  return all;
}

std::vector<MemoryUsage> tell_memory(comm::Communicator& ranks, const MemoryLedger* ledger) {
  const MemoryUsage mine = ledger != nullptr ? ledger->usage() : MemoryUsage{};
  std::vector<MemoryUsage> all(ranks.size());
  ranks.all_gather(std::span<const MemoryUsage>(&mine, 1), std::span<MemoryUsage>(all));
  return all;
}

}  // namespace coronet::bound
