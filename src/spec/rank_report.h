// What one rank did for a run.
#pragma once

#include <cstdint>
#include <string>

#include "base/memory_ledger.h"

namespace coronet {

struct RankReport {
  std::string host;
  int threads = 0;
  std::int64_t rows = 0;            ///< bounded for the run
  std::int64_t domains = 0;         ///< bounded for the run; boxes of input splitting among them
  std::int64_t handed_over = 0;     ///< domains that it gave away for other ranks to go on with
  double seconds = 0;               ///< of its threads, spent on rows and domains
  double waited = 0;                ///< seconds without a domain while others had some
  std::uint64_t peak_bytes = 0;     ///< the most that its process had in memory
  std::uint64_t device_bytes = 0;   ///< and on its GPU; 0: it has none
  std::uint64_t weight_bytes = 0;   ///< of the network's weights that it has at rest
  std::uint64_t fetched_bytes = 0;  ///< of weights that came from other ranks
  double fetch_seconds = 0;         ///< of its threads, in which these were not there yet
  MemoryUsage memory;               ///< what it holds and held at most, counted by class
};

}  // namespace coronet
