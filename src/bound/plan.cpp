#include "bound/plan.h"

#include <algorithm>
#include <variant>

namespace coronet::bound {

namespace {

/// Input and elementwise nodes take any window; affine ones say. One that makes an image of other
/// pixels than its node is declared as has windows that mean something else.
template <class T>
bool windowed(const Network<T>& net, int v) {
  if (net.affine(v) == nullptr) return true;
  const Conv* conv = std::get_if<Conv>(&net.graph().nodes[v].op);
  return net.affine(v)->windowed() && (conv == nullptr || conv->out == net.shape(v));
}

}  // namespace

template <class T>
Plan make_plan(const Network<T>& net, int start, bool patches, bool push_start) {
  Plan plan;
  plan.start = start;
  const int n = start + 1;
  plan.extent.resize(n);
  plan.reached.assign(n, 0);
  plan.push.assign(n, 0);
  plan.consumers.assign(n, 0);

  plan.extent[start] = Extent::all(net.shape(start));
  if (patches && net.shape(start).image() && windowed(net, start)) {
    plan.extent[start].window = {{1, 0, 1}, {1, 0, 1}};
    plan.extent[start].whole = false;
  }
  plan.reached[start] = 1;
  plan.push[start] = push_start ? 1 : 0;
  for (int v = start; v >= 0; --v) {
    if (!plan.reached[v]) continue;
    plan.order.push_back(v);
    const auto& inputs = net.inputs(v);
    for (int k = 0; k < static_cast<int>(inputs.size()); ++k) {
      const int u = inputs[k];
      Extent reach =
          tidy(net.elementwise(v) ? plan.extent[v] : net.affine(v)->reach(plan.extent[v], k));
      // A reader may see the node as another image of the same numbers: windows would not mean the
      // same.
      if (!(reach.shape == net.shape(u))) reach = Extent::all(net.shape(u));
      plan.extent[u] = plan.reached[u] ? tidy(cover(plan.extent[u], reach)) : reach;
      if (!windowed(net, u)) plan.extent[u] = Extent::all(net.shape(u));
      plan.reached[u] = 1;
    }
    if (net.elementwise(v)) {
      plan.elementwise.push_back(v);
      plan.kept += plan.extent[v].size();
      plan.push[inputs[0]] = 1;
    }
    if (plan.push[v]) {
      for (int u : inputs) {
        plan.push[u] = 1;
        ++plan.consumers[u];
      }
    }
  }
  // An elementwise node is computed by push where something needs its value, but its own input
  // always is needed.
  for (int v : plan.elementwise) {
    if (!plan.push[v]) ++plan.consumers[net.inputs(v)[0]];
  }
  std::size_t widest = 0;
  for (int v : plan.order) widest = std::max<std::size_t>(widest, plan.extent[v].size());
  plan.passing = 3 * widest;
  return plan;
}

double conv_products(const Conv& conv, const Extent& extent) {
  return static_cast<double>(extent.size()) * conv.kernel_h * conv.kernel_w * conv.in.channels /
         conv.groups;
}

double row_products(const Graph& graph, const Plan& plan) {
  double sum = 0;
  for (int v : plan.order) {
    if (const Dense* dense = std::get_if<Dense>(&graph.nodes[v].op)) {
      sum += static_cast<double>(dense->in) * dense->out;
    } else if (const Conv* conv = std::get_if<Conv>(&graph.nodes[v].op)) {
      sum += conv_products(*conv, plan.extent[v]);
    }
  }
  return sum;
}

template Plan make_plan(const Network<float>&, int, bool, bool);
template Plan make_plan(const Network<double>&, int, bool, bool);

}  // namespace coronet::bound
