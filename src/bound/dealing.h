// The elements of a column dealt to workers.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/parallel.h"

namespace coronet::bound {

/// From so many products on, it takes longer to form them than to wake the workers.
inline constexpr std::size_t kWorthDealing = std::size_t{1} << 20;

/// fn(first, last) over runs that cover [0, count): one for each worker, or a single one where
/// `workers` is null or the products are few.
template <class Fn>
void deal(Workers* workers, std::size_t products, int count, const Fn& fn) {
  if (workers == nullptr || products < kWorthDealing) {
    fn(0, count);
    return;
  }
  const int parts = workers->size();
  const auto at = [&](int part) {
    return static_cast<int>(static_cast<std::int64_t>(count) * part / parts);
  };
  workers->run(parts, [&](int part, int) { fn(at(part), at(part + 1)); });
}

}  // namespace coronet::bound
