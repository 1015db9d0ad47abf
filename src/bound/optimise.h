// Bounding many rows of one node: alpha optimised per row in float32, the bound that counts pulled
// in double with it.
#pragma once

#include <optional>
#include <vector>

#include "bound/context.h"
#include "bound/engine.h"
#include "bound/reduce.h"

namespace coronet::bound {

/// All that is known about a box so far. Lines exist for the elementwise nodes whose input has its
/// final bounds.
struct Root {
  Bounds bounds;
  Relaxation<float> relax32;
  Relaxation<double> relax64;
  Magnitudes<> magnitude;
  bool timed_out = false;  ///< the deadline passed: bounds are sound but not all were tightened

  /// Of all of it.
  [[nodiscard]] std::size_t bytes() const;
};

/// Rows to be bounded; the fields of Rows that describe them, without state.
struct RowList {
  int node = 0;
  std::vector<int> neuron;  ///< selection form, with sign
  std::vector<float> sign;
  AlignedVector<double> dense;   ///< or dense form [rows, size(node)]
  AlignedVector<double> input;   ///< [rows, inputs] or empty
  std::vector<double> constant;  ///< [rows] or empty

  [[nodiscard]] int count(int size) const {
    return neuron.empty() ? static_cast<int>(dense.size() / size) : static_cast<int>(neuron.size());
  }
};

struct OptimiseSettings {
  int iterations = 0;  ///< 0: the lines' own slopes (CROWN)
  double lr = 0.2;
  double decay = 0.98;
  bool stop_positive = true;  ///< a row leaves as soon as its bound is positive
  bool pairs = false;  ///< rows 2i and 2i + 1 are one neuron's: both leave when one is positive
  /// A row leaves when ten iterations gain less than this part of all its gain so far, and of its
  /// bound's distance from zero.
  double converged = 0;
  bool keep_alpha = false;
};

struct RowBounds {
  std::vector<double> bound;  ///< rigorous lower bounds; -inf where nothing is known
  /// keep_alpha: the best lower slopes, [elementwise nodes of the plan][rows, extent]
  std::vector<AlignedVector<float>> alpha;
  bool timed_out = false;
};

/// Bounds rows in place of the workers: all ranks together (ranks/leader.h).
class RowBounder {
 public:
  virtual ~RowBounder() = default;
  virtual RowBounds bound(const Root& root, const RowList& list, const OptimiseSettings& settings,
                          const Deadline& deadline) = 0;
};

/// By all ranks, or by this one.
RowBounds bound_rows(Context& context, const Root& root, const RowList& list,
                     const OptimiseSettings& settings);
/// By the context's device where that is worth it, or by its workers.
RowBounds bound_rows_here(Context& context, const Root& root, const RowList& list,
                          const OptimiseSettings& settings, const Deadline& deadline);

/// The neurons that a list in selection form asks for, ascending, each once.
std::vector<int> neurons_of(const RowList& list);
/// The list where neurons kept[i] are now called i.
RowList renumbered(const RowList& list, const std::vector<int>& kept);

/// What remains of the graph below the rows of a list (reduce.h: outline()).
std::optional<Reduced> outline_of(const Graph& graph, const Bounds& bounds, const RowList& list);

/// Can the rows of the list be carried in windows of the node's image?
bool usable_patches(const RowList& list, const Shape& shape);

/// The rows [first, last) of the list as a batch of T.
template <class T>
Rows<T> make_rows(const Network<T>& net, const RowList& list, int first, int last, bool patches);

}  // namespace coronet::bound
