// What the descent of a batch of rows needs of a network, written out without its dead neurons: a
// convolution then multiplies half or less.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "bound/network.h"
#include "bound/optimise.h"
#include "bound/plan.h"
#include "bound/reduce.h"

namespace coronet::bound {

/// The network up to the node that rows are about, with the relaxation of what remains.
class Thinned {
 public:
  /// Nothing, where rows of `plan` (of the whole network) cost no more than here.
  static std::unique_ptr<Thinned> make(const Network<float>& net, const Root& root,
                                       const RowList& list, const Plan& plan);

  /// Rows times iterations that repay the writing out of a network.
  static constexpr std::int64_t kLeastPasses = 2000;
  /// So much of the chunks' memory (--chunk-mib) is the rows': the network takes memory too, and
  /// its blocks are small, so that fewer rows do as well.
  static constexpr double kRowsShare = 0.5;
  /// Its graph, by these bounds, for rows about elements `asked` (ascending) of node `last`.
  /// Nothing, where rows of `plan` cost no more on the whole graph.
  static std::optional<Reduced> graph_of(const Graph& graph, const Bounds& bounds, int last,
                                         const std::vector<int>& asked, const Plan& plan);
  /// Bytes of packed weights that a network of such a graph may keep.
  static constexpr std::size_t kPackBytes = std::size_t{16} << 20;
  /// What is held of it beside the buffers of rows.
  static std::size_t bytes_of(const Reduced& reduced, const Network<float>& net);

  [[nodiscard]] std::size_t bytes() const { return bytes_of(reduced_, net_); }
  [[nodiscard]] const Network<float>& net() const { return net_; }
  [[nodiscard]] const Relaxation<float>& relaxation() const { return relaxation_; }
  [[nodiscard]] const Plan& plan() const { return plan_; }
  /// The list in terms of what remains.
  [[nodiscard]] const RowList& list() const { return list_; }

  /// Slopes found here, [rows, size] from row `first` on, as slopes of rows of the whole network;
  /// where a neuron does not remain, that of its line.
  template <class T>
  [[nodiscard]] AlignedVector<T> widen(int node, const AlignedVector<float>& slopes, int first,
                                       const Extent& extent, const RowSet& rows,
                                       const Lines<float>& lines) const;

 private:
  Thinned(Reduced reduced, const Root& root, const RowList& list);

  Reduced reduced_;
  Network<float> net_;
  Relaxation<float> relaxation_;
  RowList list_;
  Plan plan_;
};

}  // namespace coronet::bound
