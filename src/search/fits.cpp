#include "search/fits.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace coronet::search {

bool ascending_below(const std::vector<int>& list, int end) {
  int last = -1;
  return std::all_of(list.begin(), list.end(), [&](int j) {
    const bool good = j > last && j < end;
    last = j;
    return good;
  });
}

DomainSpace::DomainSpace(std::vector<int> of_each, std::vector<std::vector<int>> unstable)
    : constraints(std::move(of_each)), free(std::move(unstable)) {
  for (const std::vector<int>& of_node : free) slopes += of_node.size();
}

const char* DomainSpace::misfit(const Domain& d) const {
  const auto is_free = [&](int v, int neuron) {
    return v >= 0 && v < static_cast<int>(free.size()) &&
           std::binary_search(free[v].begin(), free[v].end(), neuron);
  };
  const auto multiplier = [](float x) { return x >= 0 && std::isfinite(x); };
  if (d.objective < 0 || d.objective >= static_cast<int>(constraints.size())) {
    return "a domain's clause";
  }
  if (std::isnan(d.bound)) return "a domain's bound";
  const auto count = static_cast<std::size_t>(constraints[d.objective]);
  if (d.lambda.size() != (count > 1 ? count : 0) ||
      !std::all_of(d.lambda.begin(), d.lambda.end(), multiplier)) {
    return "a domain's multipliers";
  }
  for (const Decision& decision : d.decisions) {
    if (!is_free(decision.node, decision.neuron) || (decision.sign != 1 && decision.sign != -1) ||
        !multiplier(decision.beta)) {
      return "a decision";
    }
  }
  if (!d.alpha.empty() && d.alpha.size() != slopes) return "a domain's slopes";
  if (d.split_node == -1 ? d.split_neuron != -1 : !is_free(d.split_node, d.split_neuron)) {
    return "a domain's split";
  }
  return nullptr;
}

const char* BoxSpace::misfit(const BoxDomain& d) const {
  if (d.clauses.empty() || std::isnan(d.bound)) return "a box";
  if (!ascending_below(d.clauses, static_cast<int>(box.size()))) return "a box's clauses";
  const int its = box[d.clauses[0]];
  for (const int k : d.clauses) {
    if (box[k] != its || its < 0) return "a box's clauses";
  }
  const GraphBox& whole = boxes[its];
  if (d.lower.size() != whole.lower.size() || d.upper.size() != whole.lower.size()) {
    return "a box's inputs";
  }
  for (std::size_t j = 0; j < d.lower.size(); ++j) {
    if (!(d.lower[j] >= whole.lower[j] && d.lower[j] <= d.upper[j] &&
          d.upper[j] <= whole.upper[j])) {
      return "a box's inputs";
    }
  }
  return nullptr;
}

}  // namespace coronet::search
