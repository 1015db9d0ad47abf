#include "cli/memory_words.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/table.h"

namespace coronet::cli {

namespace {

/// Of what fn says of each rank: the least to the most.
template <class Fn>
std::string span_words(const std::vector<MemoryUsage>& ranks, const Fn& fn) {
  std::uint64_t least = ~std::uint64_t{0};
  std::uint64_t most = 0;
  for (const MemoryUsage& rank : ranks) {
    least = std::min(least, fn(rank));
    most = std::max(most, fn(rank));
  }
  const std::string low = mib_words(least);
  const std::string high = mib_words(most);
  return low == high ? high : low + " to " + high;
}

}  // namespace

std::string mib_words(std::uint64_t bytes) {
  return fmt::format("{:.1f}", static_cast<double>(bytes) / 0x1p20);
}

std::string memory_table(const std::vector<MemoryUsage>& ranks) {
  Table table({ranks.size() > 1 ? "memory of a rank, MiB" : "memory, MiB", ">at rest", ">at most"});
  bool any = false;
  const auto add = [&](const char* name, const auto& of) {
    const auto most = [&](const MemoryUsage& rank) { return of(rank).most; };
    if (std::all_of(ranks.begin(), ranks.end(), [&](const auto& r) { return most(r) == 0; })) {
      return;
    }
    any = true;
    table.row({name, span_words(ranks, [&](const MemoryUsage& r) { return of(r).now; }),
               span_words(ranks, most)});
  };
  for (int i = 0; i < kMemoryClasses; ++i) {
    add(name_of(memory_class(i)), [i](const MemoryUsage& r) { return r.by[i]; });
  }
  add("all", [](const MemoryUsage& r) { return r.total; });
  return any ? table.text() : "";
}

}  // namespace coronet::cli
