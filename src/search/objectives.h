// The linear forms that a search bounds, all over one node.
#pragma once

#include <vector>

#include "search/spec.h"

namespace coronet::search {

/// Either clauses of a property (over the output; one with several constraints is bounded as their
/// combination by multipliers lambda), or single neurons of any node: sign[k] * value[neuron[k]].
struct Objectives {
  int node = 0;
  std::vector<ClauseRows> clauses;
  std::vector<int> neuron;
  std::vector<float> sign;

  [[nodiscard]] bool selection() const { return !neuron.empty(); }
  [[nodiscard]] int count() const {
    return static_cast<int>(selection() ? neuron.size() : clauses.size());
  }
};

}  // namespace coronet::search
