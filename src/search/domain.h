// A sub-problem of branch and bound over ReLUs: kilobytes, not the bounds of all layers.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace coronet::search {

/// One neuron's phase: its pre-activation is >= 0 (sign 1) or <= 0 (sign -1), with the multiplier
/// that its parent found.
struct Decision {
  int node = 0;  ///< the elementwise node
  int neuron = 0;
  float sign = 1;
  float beta = 0;
};

struct Domain {
  int objective = 0;  ///< index into the search's objectives
  float bound = 0;
  std::vector<float>
      lambda;  ///< multipliers of the clause's constraints, sum 1; empty where it has one
  std::vector<Decision> decisions;
  /// Lower slopes of the root's unstable neurons that the objective reaches, 1 = 65535; empty: the
  /// lines' own.
  std::vector<std::uint16_t> alpha;
  int split_node = -1;  ///< what to split next; -1: not bounded yet, or nothing is left to split
  int split_neuron = -1;

  [[nodiscard]] std::size_t bytes() const {
    return sizeof(Domain) + lambda.capacity() * sizeof(float) +
           decisions.capacity() * sizeof(Decision) + alpha.capacity() * sizeof(std::uint16_t);
  }
};

/// What a domain is open for, by number.
inline std::span<const int> clauses_of(const Domain& domain) { return {&domain.objective, 1}; }

}  // namespace coronet::search
