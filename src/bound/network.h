// A graph made ready for rows of one arithmetic.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "bound/affine.h"
#include "bound/lines.h"
#include "graph/graph.h"

namespace coronet::bound {

class TensorGroup;

/// The affine nodes with their weights packed for T; refers to the graph, which must outlive it.
template <class T>
class Network {
 public:
  Network(const Graph& graph, std::size_t pack_bytes);
  /// On a device of its own: make(v) is node v's operator there, nullptr where it is not affine.
  using Make = std::function<std::shared_ptr<const Affine<T>>(int node)>;
  /// group: the ranks that hold the graph together, where the nodes have a share of its neurons
  /// only (tensor/share.h); it must outlive this. counts: [nodes], or empty for all (counts()).
  Network(const Graph& graph, const Make& make, TensorGroup* group = nullptr,
          std::vector<char> counts = {});
  [[nodiscard]] const Graph& graph() const { return *graph_; }
  /// null: this rank has all neurons
  [[nodiscard]] TensorGroup* group() const { return group_; }
  /// Is what the node adds to bounds and to their errors this rank's to count? Where all ranks of a
  /// group have a node whole, one of them counts it.
  [[nodiscard]] bool counts(int node) const { return counts_.empty() || counts_[node] != 0; }
  [[nodiscard]] int nodes() const { return static_cast<int>(graph_->nodes.size()); }
  /// nullptr for Input and elementwise nodes
  [[nodiscard]] const Affine<T>* affine(int node) const { return affine_[node].get(); }
  [[nodiscard]] bool elementwise(int node) const { return elementwise_[node]; }
  [[nodiscard]] const std::vector<int>& inputs(int node) const {
    return graph_->nodes[node].inputs;
  }
  [[nodiscard]] const Shape& shape(int node) const { return graph_->nodes[node].shape; }
  [[nodiscard]] int size(int node) const { return graph_->nodes[node].shape.size(); }
  /// bytes of packed weights
  [[nodiscard]] std::size_t bytes() const;
  /// What a thread's kernels keep: of the operator that has them keep most.
  [[nodiscard]] std::size_t scratch_bytes() const;

 private:
  const Graph* graph_;
  TensorGroup* group_ = nullptr;
  std::vector<char> counts_;
  std::vector<std::shared_ptr<const Affine<T>>> affine_;
  std::vector<char> elementwise_;
};

}  // namespace coronet::bound
