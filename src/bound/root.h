// Bounds of every node over one box: the root of every search.
#pragma once

#include <functional>
#include <vector>

#include "bound/optimise.h"

namespace coronet::bound {

enum class Method { kInterval, kCrown, kAlpha };
Method method_of(const std::string& name);

struct RootSettings {
  Method method = Method::kAlpha;
  int iterations = 100;      ///< of alpha, for each intermediate row
  bool all_neurons = false;  ///< bound stable neurons by rows too (what `coronet bounds` shows)
  const Bounds* known = nullptr;     ///< bounds of the same box from before: intersected
  std::vector<char> by_intervals{};  ///< [nodes] or empty: those that no rows are to tighten
  int first = 0;  ///< nodes before it have had their rows: intervals and what is known are enough
  /// Called once node v's rows are bounded, before its lines are made: may tighten its bounds.
  std::function<void(Root&, int v)> refine = nullptr;
};

/// Bounds nodes in topological order: intervals first, then rows for what feeds an elementwise node
/// and is not yet known to be stable; each row optimises its own alpha and throws it away. lo, hi
/// in graph order.
Root bound_root(Context& context, const std::vector<double>& lo, const std::vector<double>& hi,
                const RootSettings& settings);

/// One that knows of its box only, with room for what is known of the nodes.
Root empty_root(const Network<double>& net, const std::vector<double>& lo,
                const std::vector<double>& hi);
/// The lines of elementwise node v from its input's bounds.
void add_lines(const Network<double>& net, Root& root, int v, Slope slope);

/// The root that has these bounds: lines and magnitudes made from them, nothing tightened.
Root restate(Context& context, Bounds bounds);

/// Tightens node v's bounds by rows of both signs for the given neurons.
void tighten(Context& context, Root& root, int v, const std::vector<int>& neurons,
             const OptimiseSettings& settings);

/// [nodes] Are v's bounds tightened by rows? Where an elementwise node reads it, and for `last` the
/// last node too; not where the interval is exact.
std::vector<char> bounded_by_rows(const Network<double>& net, bool last);

/// Is v one affine step from the input? Then its interval is exact already, and no rows tighten it.
bool one_step(const Network<double>& net, int v);

/// Unstable ReLUs of the bounds, over all nodes.
std::int64_t count_unstable(const Graph& graph, const Bounds& bounds);

}  // namespace coronet::bound
