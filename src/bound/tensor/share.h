// One rank's share of a graph.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "bound/affine.h"
#include "bound/bounds.h"
#include "bound/network.h"
#include "bound/optimise.h"
#include "bound/tensor/affine_summed.h"
#include "bound/tensor/group.h"
#include "bound/tensor/row_exchange.h"
#include "bound/tensor/slice.h"
#include "bound/tensor/zones.h"
#include "graph/graph.h"

namespace coronet::bound {

/// The graph of a rank: each node with the rank's neurons only. Its affine operators have the
/// weights of those neurons, over all of their inputs, filled up (Slice::padded): but for Scale and
/// Sum, which map neuron by neuron, the graph means nothing without the other ranks. The last node
/// of a zone (zones.h), and what is neuron by neuron of such nodes, every rank has whole, and the
/// input where a zone begins there.
struct Share {
  Graph graph;
  std::vector<Slice> slice;  ///< [nodes of `graph`]
  /// [nodes of the graph that was shared] the node of `graph` that has its values: nodes are added
  /// where one reads another as an image of other channels.
  std::vector<int> node;
  /// [nodes of `graph`] of the last operators of zones, whose products are summed up over the ranks
  /// and are without it in `graph`; no bias: of others.
  std::vector<Constant> constant;
  std::vector<char> by_intervals;  ///< [nodes of `graph`] first operators of zones
  int rank = 0;

  /// Is node v of `graph` the last of a zone?
  [[nodiscard]] bool summed(std::size_t v) const { return !constant[v].bias.empty(); }
  /// What node v's operator multiplies of its input u: this rank's share, or all of it, filled up.
  [[nodiscard]] Shape read(int v, int u) const;
  [[nodiscard]] std::size_t weight_bytes() const;
  /// Rows in terms of this rank's neurons, which the ranks' rows add up to. `rows.node` is of
  /// `graph`, its neurons and columns are of whole nodes.
  [[nodiscard]] RowList share_of(const RowList& rows) const;
};

/// Takes the weights out of `whole`, node by node: what is no share of this rank is freed, and
/// where a weight is elsewhere (WeightSource) its share is fetched, tile by tile. Of the last
/// operator of a zone all rows pass by; of others, the share's only. A convolution with groups
/// becomes one without, zeros written out.
Share take_share(Graph& whole, int ranks, int rank, const std::vector<Zone>& zones = {});

/// The same share of a graph that stays as it is, with sizes in place of the numbers of dense
/// weights, which nobody may ask for: for plans. Convolutions' weights are read.
Share share_in_sizes(Graph whole, int ranks, int rank, const std::vector<Zone>& zones);

/// The operators of a share in T, packed within the budget, for any number of networks.
template <class T>
class SharedOperators {
 public:
  /// Refers to the share.
  SharedOperators(const Share& share, std::size_t pack_bytes);
  /// For one thread and its group; both must outlive the network.
  [[nodiscard]] Network<T> network(TensorGroup& group) const;
  /// Node v's, over the whole inputs; null: needs no others.
  [[nodiscard]] const Affine<T>* of(int v) const { return operators_[v].get(); }
  /// Of packed weights.
  [[nodiscard]] std::size_t bytes() const;

 private:
  const Share* share_;
  std::vector<std::shared_ptr<const Affine<T>>> operators_;  // [nodes] null: needs no others
};

/// Node v's operator as this rank has it, where `rows` are; null where it is not affine.
template <class T>
using OperatorOf = std::function<std::shared_ptr<const Affine<T>>(int v)>;

/// A share's operators put together with those of the group's other ranks. For one thread; the
/// share and the group must outlive it.
template <class T>
Network<T> shared_network(const Share& share, TensorGroup& group,
                          const std::shared_ptr<RowExchange<T>>& rows,
                          const OperatorOf<T>& operator_of);

/// A rank's share, for a device that is to bound rows of it; for as long as that lasts.
struct SharedNetwork {
  const Share& share;
  const SharedOperators<double>& operators;
  const Network<double>& host;  ///< of these operators
  TensorGroup& group;
};

}  // namespace coronet::bound
