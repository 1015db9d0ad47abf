#include "base/memory_ledger.h"

#include <algorithm>

namespace coronet {

const char* name_of(MemoryClass of) {
  switch (of) {
    case MemoryClass::kWeights:
      return "weights";
    case MemoryClass::kPackedWeights:
      return "packed weights";
    case MemoryClass::kA:
      return "A";
    case MemoryClass::kAlpha:
      return "alpha and moments";
    case MemoryClass::kNetworks:
      return "networks written out";
    case MemoryClass::kScratch:
      return "kernel scratch";
    case MemoryClass::kTiles:
      return "tiles";
    case MemoryClass::kBounds:
      return "bounds";
    case MemoryClass::kDomains:
      return "domains";
    case MemoryClass::kCommunication:
      return "communication";
  }
  return "";
}

void MemoryLedger::Count::add(std::int64_t bytes) {
  const std::int64_t reached = now.fetch_add(bytes, std::memory_order_relaxed) + bytes;
  std::int64_t known = most.load(std::memory_order_relaxed);
  while (known < reached &&
         !most.compare_exchange_weak(known, reached, std::memory_order_relaxed)) {
  }
}

MemoryUsage::Of MemoryLedger::Count::read() const {
  const auto bytes = [](const std::atomic<std::int64_t>& of) {
    return static_cast<std::uint64_t>(std::max<std::int64_t>(of.load(), 0));
  };
  return {bytes(now), bytes(most)};
}

void MemoryLedger::add(MemoryClass of, std::int64_t bytes) {
  by_[static_cast<std::size_t>(of)].add(bytes);
  total_.add(bytes);
}

MemoryUsage MemoryLedger::usage() const {
  MemoryUsage usage;
  for (std::size_t i = 0; i < by_.size(); ++i) usage.by[i] = by_[i].read();
  usage.total = total_.read();
  return usage;
}

}  // namespace coronet
