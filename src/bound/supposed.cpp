#include "bound/supposed.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "base/rng.h"
#include "bound/interval.h"
#include "bound/lines.h"

namespace coronet::bound {

namespace {

/// Neurons of a node whose bounds stand for those of all others.
constexpr int kDrawn = 16;

Network<double> unpacked(const Graph& graph) {
  return Network<double>(graph, [&](int v) {
    PackBudget none;
    return make_affine<double>(graph, v, none);
  });
}

/// Lines by its input's bounds, and magnitudes of the sizes that they have.
void describe(const Network<double>& net, Root& root, int v) {
  const auto size = static_cast<std::size_t>(net.size(v));
  if (v == 0) {
    root.magnitude.value[v].size.resize(size);
  } else if (net.elementwise(v)) {
    add_lines(net, root, v, Slope::kAdaptive);
    root.magnitude.value[v].size.resize(size);
  } else {
    root.magnitude.affine[v].size.resize(size);
  }
}

/// With magnitudes of the sizes that they have, as describe() makes them.
Root described_root(const Network<double>& net, const std::vector<double>& lo,
                    const std::vector<double>& hi) {
  Root root = empty_root(net, lo, hi);
  describe(net, root, 0);
  return root;
}

std::vector<int> drawn(int v, int size) {
  std::set<int> some;
  if (size <= kDrawn) {
    for (int i = 0; i < size; ++i) some.insert(i);
  }
  for (std::uint64_t i = 0; some.size() < static_cast<std::size_t>(std::min(size, kDrawn)); ++i) {
    some.insert(static_cast<int>(uniform_index(0, v, i, size)));
  }
  return {some.begin(), some.end()};
}

/// The bounds of node v about `value`.
void suppose(const Network<double>& net, int v, const std::vector<double>& value, Root& root) {
  const std::vector<int> neurons = drawn(v, net.size(v));
  RowList list;
  list.node = v;
  for (const int j : neurons) {
    list.neuron.insert(list.neuron.end(), {j, j});
    list.sign.insert(list.sign.end(), {1.0F, -1.0F});
  }
  const bool patches = usable_patches(list, net.shape(v));
  const Plan plan = make_plan(net, v, patches);
  Workspace<double> space;
  Pass<double> pass(net, root.relax64, plan, space);
  std::vector<double> bound;
  const auto rows = make_rows(net, list, 0, static_cast<int>(list.neuron.size()), patches);
  pass.pull(rows, false, bound);
  root.bounds.lo[v].resize(value.size());
  root.bounds.hi[v].resize(value.size());
  for (std::size_t j = 0; j < value.size(); ++j) {
    const std::size_t of = value.size() <= neurons.size()
                               ? j
                               : uniform_index(1, static_cast<std::uint64_t>(v), j, neurons.size());
    const double about = value[static_cast<std::size_t>(neurons[of])];
    root.bounds.lo[v][j] = value[j] + std::min(0.0, bound[2 * of] - about);
    root.bounds.hi[v][j] = value[j] + std::max(0.0, -bound[2 * of + 1] - about);
  }
}

}  // namespace

Root supposed_root(const Graph& graph, const std::vector<double>& lo, const std::vector<double>& hi,
                   Workers& workers) {
  const Network<double> net = unpacked(graph);
  const std::vector<char> by_rows = bounded_by_rows(net, true);
  Root root = described_root(net, lo, hi);
  std::vector<std::vector<double>> value(graph.nodes.size());
  value[0].resize(lo.size());
  for (std::size_t i = 0; i < lo.size(); ++i) value[0][i] = lo[i] / 2 + hi[i] / 2;
  for (int v = 1; v < net.nodes(); ++v) {
    value[v].resize(static_cast<std::size_t>(net.size(v)));
    if (net.elementwise(v)) {
      const int u = net.inputs(v)[0];
      for (std::size_t i = 0; i < value[v].size(); ++i) {
        value[v][i] = value_of(graph.nodes[v].op, value[u][i]);
      }
    } else {
      std::vector<const double*> from;
      for (const int u : net.inputs(v)) from.push_back(value[u].data());
      net.affine(v)->apply(from.data(), value[v].data(), &workers);
    }
    if (by_rows[v] != 0) {
      suppose(net, v, value[v], root);
    } else {
      interval_node(net, v, root.bounds, &workers);
    }
    describe(net, root, v);
  }
  return root;
}

Root open_root(const Graph& graph) {
  const Network<double> net = unpacked(graph);
  const auto inputs = static_cast<std::size_t>(graph.inputs());
  Root root =
      described_root(net, std::vector<double>(inputs, -1.0), std::vector<double>(inputs, 1.0));
  for (int v = 1; v < net.nodes(); ++v) {
    const auto size = static_cast<std::size_t>(net.size(v));
    root.bounds.lo[v].assign(size, -1.0);
    root.bounds.hi[v].assign(size, 1.0);
    describe(net, root, v);
  }
  return root;
}

}  // namespace coronet::bound
