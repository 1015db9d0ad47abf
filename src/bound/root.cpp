#include "bound/root.h"

#include <algorithm>

#include "base/error.h"
#include "bound/accelerator.h"
#include "bound/interval.h"

namespace coronet::bound {

namespace {

/// Do the consumers of v, all elementwise, leave anything to gain once v_j is known to lie in [lo,
/// hi]?
bool undecided(const Operator& op, double lo, double hi) {
  return !std::holds_alternative<Relu>(op) || (lo < 0 && hi > 0);
}

void intersect(Bounds& bounds, const Bounds& known, int v) {
  for (std::size_t i = 0; i < bounds.lo[v].size(); ++i) {
    bounds.lo[v][i] = std::max(bounds.lo[v][i], known.lo[v][i]);
    bounds.hi[v][i] = std::min(bounds.hi[v][i], known.hi[v][i]);
  }
}

/// The network that intervals and magnitudes come from: the device's, where there is one.
const Network<double>& columns(const Context& context) {
  return context.device == nullptr ? context.net64 : context.device->columns();
}

}  // namespace

Root empty_root(const Network<double>& net, const std::vector<double>& lo,
                const std::vector<double>& hi) {
  const int n = net.nodes();
  Root root;
  root.bounds = Bounds(net.graph(), 1);
  root.bounds.lo[0] = lo;
  root.bounds.hi[0] = hi;
  root.relax32.lines.resize(n);
  root.relax64.lines.resize(n);
  root.relax64.lo.assign(lo.begin(), lo.end());
  root.relax64.hi.assign(hi.begin(), hi.end());
  root.relax32.lo.assign(lo.begin(), lo.end());
  root.relax32.hi.assign(hi.begin(), hi.end());
  root.magnitude.value.resize(n);
  root.magnitude.affine.resize(n);
  return root;
}

void add_lines(const Network<double>& net, Root& root, int v, Slope slope) {
  const Operator& op = net.graph().nodes[v].op;
  const int u = net.inputs(v)[0];
  const double* lo = root.bounds.lo[u].data();
  const double* hi = root.bounds.hi[u].data();
  root.relax64.lines[v] = make_lines<double>(op, net.size(v), 1, lo, hi, slope);
  root.relax32.lines[v] = make_lines<float>(op, net.size(v), 1, lo, hi, slope);
}

std::vector<char> bounded_by_rows(const Network<double>& net, bool last) {
  std::vector<char> by_rows(net.nodes(), 0);
  // The width of what an elementwise node reads decides its lines.
  for (const Node& n : net.graph().nodes) {
    if (elementwise(n.op)) by_rows[n.inputs[0]] = 1;
  }
  if (last) by_rows.back() = 1;
  for (int v = 0; v < net.nodes(); ++v) {
    if (v == 0 || net.elementwise(v) || one_step(net, v)) by_rows[v] = 0;
  }
  return by_rows;
}

std::size_t Root::bytes() const {
  std::size_t numbers32 = relax32.lo.size() + relax32.hi.size();
  std::size_t numbers64 = relax64.lo.size() + relax64.hi.size();
  const auto lines = [](const auto& of) {
    return of.sl.size() + of.tl.size() + of.su.size() + of.tu.size() + of.free.size();
  };
  for (std::size_t v = 0; v < bounds.lo.size(); ++v) {
    numbers32 += lines(relax32.lines[v]);
    numbers64 += lines(relax64.lines[v]) + bounds.lo[v].size() + bounds.hi[v].size() +
                 magnitude.value[v].size.size() + magnitude.affine[v].size.size();
  }
  return numbers32 * sizeof(float) + numbers64 * sizeof(double);
}

bool one_step(const Network<double>& net, int v) {
  return net.affine(v) != nullptr && net.inputs(v).size() == 1 && net.inputs(v)[0] == 0;
}

Root restate(Context& context, Bounds bounds) {
  Root root = empty_root(context.net64, bounds.lo[0], bounds.hi[0]);
  root.bounds = std::move(bounds);
  const Slope slope = slope_of(context.options.slope);
  for (int v = 0; v < context.net64.nodes(); ++v) {
    add_magnitudes(columns(context), root.bounds, v, root.magnitude, &context.workers);
    if (context.net64.elementwise(v)) add_lines(context.net64, root, v, slope);
  }
  return root;
}

Method method_of(const std::string& name) {
  if (name == "interval" || name == "ibp") return Method::kInterval;
  if (name == "crown") return Method::kCrown;
  if (name == "alpha" || name == "auto") return Method::kAlpha;
  throw Error(ErrorKind::kBadInput,
              "unknown method '" + name + "': use interval, crown, alpha or auto");
}

void tighten(Context& context, Root& root, int v, const std::vector<int>& neurons,
             const OptimiseSettings& settings) {
  RowList list;
  list.node = v;
  for (int j : neurons) {
    list.neuron.insert(list.neuron.end(), {j, j});
    list.sign.insert(list.sign.end(), {1.0F, -1.0F});
  }
  const RowBounds rows = bound_rows(context, root, list, settings);
  root.timed_out |= rows.timed_out;
  for (std::size_t i = 0; i < neurons.size(); ++i) {
    double& lo = root.bounds.lo[v][neurons[i]];
    double& hi = root.bounds.hi[v][neurons[i]];
    const double new_lo = std::max(lo, rows.bound[2 * i]);
    const double new_hi = std::min(hi, -rows.bound[2 * i + 1]);
    if (new_lo <=
        new_hi) {  // the margins make this certain; were it ever not so, the old bounds stay
      lo = new_lo;
      hi = new_hi;
    }
  }
}

Root bound_root(Context& context, const std::vector<double>& lo, const std::vector<double>& hi,
                const RootSettings& settings) {
  const Graph& graph = context.net64.graph();
  const int n = context.net64.nodes();
  const Slope slope = slope_of(context.options.slope);
  std::vector<char> by_rows = bounded_by_rows(context.net64, settings.all_neurons);
  for (std::size_t v = 0; v < settings.by_intervals.size(); ++v) {
    if (settings.by_intervals[v] != 0) by_rows[v] = 0;
  }
  Root root = empty_root(context.net64, lo, hi);

  OptimiseSettings rows;
  rows.iterations = settings.method == Method::kAlpha ? settings.iterations : 0;
  rows.lr = context.options.lr_alpha;
  rows.decay = context.options.lr_decay;
  rows.pairs = !settings.all_neurons;
  rows.stop_positive = !settings.all_neurons;
  rows.converged = context.options.converged;

  add_magnitudes(context.net64, root.bounds, 0, root.magnitude);
  for (int v = 1; v < n; ++v) {
    interval_node(columns(context), v, root.bounds, &context.workers);
    if (settings.known != nullptr) intersect(root.bounds, *settings.known, v);
    add_magnitudes(columns(context), root.bounds, v, root.magnitude, &context.workers);
    if (context.net64.elementwise(v)) {
      add_lines(context.net64, root, v, slope);
      continue;
    }
    if (!by_rows[v] || settings.method == Method::kInterval || root.timed_out ||
        v < settings.first) {
      continue;
    }
    std::vector<int> neurons;
    for (int j = 0; j < context.net64.size(v); ++j) {
      bool open = settings.all_neurons;
      for (int w = v + 1; w < n && !open; ++w) {
        open = graph.nodes[w].inputs.size() == 1 && graph.nodes[w].inputs[0] == v &&
               elementwise(graph.nodes[w].op) &&
               undecided(graph.nodes[w].op, root.bounds.lo[v][j], root.bounds.hi[v][j]);
      }
      if (open) neurons.push_back(j);
    }
    Progress p;
    p.phase = settings.method == Method::kAlpha ? "alpha" : "crown";
    p.elapsed = elapsed_seconds();
    p.open = n - v;
    context.tracer.progress(p);
    tighten(context, root, v, neurons, rows);
    if (settings.refine) settings.refine(root, v);
  }
  if (context.ledger != nullptr) context.ledger->saw(MemoryClass::kBounds, root.bytes());
  return root;
}

std::int64_t count_unstable(const Graph& graph, const Bounds& bounds) {
  std::int64_t count = 0;
  for (const Node& node : graph.nodes) {
    if (!std::holds_alternative<Relu>(node.op)) continue;
    const auto& lo = bounds.lo[node.inputs[0]];
    const auto& hi = bounds.hi[node.inputs[0]];
    for (std::size_t i = 0; i < lo.size(); ++i) count += lo[i] < 0 && hi[i] > 0;
  }
  return count;
}

}  // namespace coronet::bound
