// The affine kind of node: each operator says once how it maps rows forward (push), backward (pull)
// and intervals.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "device/extent.h"
#include "graph/graph.h"

namespace coronet {
class Workers;
}

namespace coronet::bound {

using device::Extent;
using device::RowSet;

/// How many bytes of weights may be kept in packed form; larger networks are packed tile by tile on
/// each use.
struct PackBudget {
  std::size_t bytes = 0;
  bool take(std::size_t wanted) {
    if (wanted > bytes) return false;
    bytes -= wanted;
    return true;
  }
};

/// hidden[i] of a precision; its numbers repeat with their period.
inline double hidden_of(const Precision& precision, std::size_t i) {
  return precision.hidden.empty() ? 0 : precision.hidden[i % precision.hidden.size()];
}

/// y = sum_k M_k u_k + b. T is the arithmetic of rows (float or double); intervals are always
/// double.
template <class T>
class Affine {
 public:
  virtual ~Affine() = default;

  /// Can pull and push work on windows of this node's image? If not, its rows are always whole.
  [[nodiscard]] virtual bool windowed() const { return false; }

  /// The extent of input k that rows of extent `out` reach.
  [[nodiscard]] virtual Extent reach(const Extent& out, int k) const = 0;

  /// U_k = A M_k, or += : A is [rows][out.size()], U_k is [rows][in.size()] with `in` covering
  /// reach(out, k).
  virtual void pull(const RowSet& rows, const T* a, const Extent& out, int k, T* u,
                    const Extent& in, bool accumulate) const = 0;

  /// U_0 = sign[r] * row neuron[r] of M, without multiplying, and bias[r] += sign[r] *
  /// b[neuron[r]] (unless null); false where this operator has no such form.
  virtual bool pull_selection(int count, const int* neuron, const T* sign, T* u,
                              double* bias) const {
    return false;
  }

  /// Y = sum_k M_k X_k + b on extents, X_k = x[k] of extent in[k].
  virtual void push(const RowSet& rows, const T* const* x, const Extent* const* in, T* y,
                    const Extent& out) const = 0;

  /// bias[r] += A_r . b
  virtual void bias(const RowSet& rows, const T* a, const Extent& out, double* bias) const = 0;
  /// b of one element
  [[nodiscard]] virtual double bias_of(int element) const = 0;

  /// y = M u + b for one point (a column of doubles), and y = |M| u + hidden: what intervals and
  /// magnitudes need. With |b| added, the latter is the size of all terms that the row sums up, be
  /// it in a pass or before, in lowering. workers: who may share in it, or null.
  virtual void apply(const double* const* u, double* y, Workers* workers) const = 0;
  virtual void apply_abs(const double* const* u, double* y, Workers* workers) const = 0;

  /// What the terms of b of one element are larger than |b| (Precision).
  [[nodiscard]] virtual double hidden(int element) const { return 0; }

  /// Upper bound of the number of products in any one sum of pull, bias and apply, and of the
  /// roundings before that, in lowering: the K of the error analysis.
  [[nodiscard]] virtual int terms() const = 0;

  [[nodiscard]] virtual std::size_t bytes() const { return 0; }
  /// What its kernels keep for each thread, which all operators of one arithmetic share.
  [[nodiscard]] virtual std::size_t scratch_bytes() const { return 0; }
};

/// nullptr for Input and the elementwise kinds. in: the shapes of its inputs.
template <class T>
std::unique_ptr<Affine<T>> make_affine(const Node& node, const std::vector<Shape>& in,
                                       PackBudget& budget);
/// Of a node with inputs as the graph has them.
template <class T>
std::unique_ptr<Affine<T>> make_affine(const Graph& graph, int node, PackBudget& budget);

}  // namespace coronet::bound
