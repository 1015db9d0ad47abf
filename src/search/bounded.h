// What bounding some domains of branch and bound leaves behind.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <iterator>
#include <utility>
#include <vector>

#include "bound/domain_rows.h"
#include "search/domain.h"

namespace coronet::search {

/// What is in none of the lists is refuted.
struct Bounded {
  std::vector<Domain> open;       ///< with what to split next
  std::vector<Domain> exhausted;  ///< every neuron that matters is split
  std::int64_t count = 0;         ///< domains bounded

  /// Of those that were positive in float32: a float32 bound proves nothing, so what is not
  /// positive in double, less its rounding, is open.
  void add_unproved(std::vector<Domain> proved, const std::vector<double>& safe) {
    for (std::size_t i = 0; i < proved.size(); ++i) {
      if (safe[i] > 0) continue;
      proved[i].bound = static_cast<float>(safe[i]);
      add(std::move(proved[i]));
    }
  }
  void add(Bounded other) {
    count += other.count;
    std::move(other.open.begin(), other.open.end(), std::back_inserter(open));
    std::move(other.exhausted.begin(), other.exhausted.end(), std::back_inserter(exhausted));
  }
  void add(Domain d) { (d.split_node >= 0 ? open : exhausted).push_back(std::move(d)); }
};

/// The inputs that minimise the relaxation of the most promising open domains of a batch: their
/// objectives, and x of [domains, inputs].
using Look =
    std::function<void(const std::vector<int>& objective, const std::vector<float>& x, int worker)>;
inline constexpr int kLooks = 32;

/// The iterations of a domain as the options want them.
inline bound::DomainSettings domain_settings(const Options& options, int iterations,
                                             const Look& look) {
  return {iterations, options.lr_branch, options.lr_beta, options.lr_decay, look ? kLooks : 0};
}

}  // namespace coronet::search
