#include "bound/network.h"

#include <algorithm>
#include <utility>

namespace coronet::bound {

template <class T>
Network<T>::Network(const Graph& graph, const Make& make, TensorGroup* group,
                    std::vector<char> counts)
    : graph_(&graph), group_(group), counts_(std::move(counts)) {
  for (int v = 0; v < static_cast<int>(graph.nodes.size()); ++v) {
    affine_.push_back(make(v));
    elementwise_.push_back(bound::elementwise(graph.nodes[v].op) ? 1 : 0);
  }
}

template <class T>
Network<T>::Network(const Graph& graph, std::size_t pack_bytes)
    : Network(graph, [&graph, budget = PackBudget{pack_bytes}](int v) mutable {
        return make_affine<T>(graph, v, budget);
      }) {}

template <class T>
std::size_t Network<T>::bytes() const {
  std::size_t total = 0;
  for (const auto& op : affine_) total += op ? op->bytes() : 0;
  return total;
}

template <class T>
std::size_t Network<T>::scratch_bytes() const {
  std::size_t most = 0;
  for (const auto& op : affine_) most = std::max(most, op ? op->scratch_bytes() : 0);
  return most;
}

template class Network<float>;
template class Network<double>;

}  // namespace coronet::bound
