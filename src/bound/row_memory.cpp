#include "bound/row_memory.h"

#include <algorithm>
#include <climits>
#include <cmath>
#include <memory>
#include <numeric>
#include <utility>
#include <variant>

#include "base/resources.h"
#include "base/rng.h"
#include "bound/affine_dense.h"
#include "bound/concrete_members.h"
#include "bound/counted_affine.h"
#include "bound/descent.h"
#include "bound/pass.h"
#include "bound/thinned.h"

namespace coronet::bound {

namespace {

/// Iterations of a descent after which its buffers have the sizes that they keep.
constexpr int kEnough = 4;

template <class T>
Network<T> counted_network(const Graph& graph, PackBudget budget) {
  return Network<T>(graph, [&graph, budget](int v) mutable -> std::unique_ptr<Affine<T>> {
    auto of = make_affine<T>(graph, v, budget);
    if (of == nullptr) return nullptr;
    return std::make_unique<CountedAffine<T>>(std::move(of));
  });
}

template <class T>
Relaxation<T, Counting> counted_relaxation(const Graph& graph) {
  Relaxation<T, Counting> relaxation;
  relaxation.lines.resize(graph.nodes.size());
  for (std::size_t v = 0; v < graph.nodes.size(); ++v) {
    const Node& node = graph.nodes[v];
    if (!elementwise(node.op)) continue;
    relaxation.lines[v].size = node.shape.size();
    relaxation.lines[v].relu = std::holds_alternative<Relu>(node.op);
  }
  return relaxation;
}

template <class T>
KernelBytes kernels_of(const Graph& graph, const ShapeRead& read, PackBudget budget, bool all) {
  KernelBytes sum;
  for (int v = 0; v < static_cast<int>(graph.nodes.size()); ++v) {
    const Node& node = graph.nodes[v];
    Node here = node;
    bool packs = true;
    if (const Dense* dense = std::get_if<Dense>(&node.op)) {
      const std::size_t bytes = AffineDense<T>::packed_bytes(*dense);
      if ((all || dense->weight.here()) && budget.take(bytes)) {
        sum.packed += bytes;
        continue;
      }
      packs = false;
    } else if (Conv* conv = std::get_if<Conv>(&here.op)) {
      packs = all || conv->weight.here();
      conv->weight = gathered(conv->weight);
    }
    std::vector<Shape> in;
    for (int u : node.inputs) in.push_back(read ? read(v, u) : graph.nodes[u].shape);
    PackBudget none;
    const auto made = make_affine<T>(here, in, packs ? budget : none);
    if (made == nullptr) continue;
    if (packs) sum.packed += made->bytes();
    sum.scratch = std::max(sum.scratch, made->scratch_bytes());
  }
  return sum;
}

/// Products that one row takes in a pull.
struct Products {
  double matrices = 0;
  double convolutions = 0;
  double blocks = 0;
};
Products products_of(const Graph& graph, const Plan& plan, bool selection) {
  Products sum;
  for (const int v : plan.order) {
    const Operator& op = graph.nodes[v].op;
    if (const Dense* dense = std::get_if<Dense>(&op)) {
      // A selection's rows of a dense weight are copied.
      if (v == plan.start && selection) continue;
      sum.matrices += static_cast<double>(dense->in) * dense->out;
    } else if (const Conv* conv = std::get_if<Conv>(&op)) {
      sum.convolutions += conv_products(*conv, plan.extent[v]);
    } else if (const Sparse* sparse = std::get_if<Sparse>(&op)) {
      if (v == plan.start && selection) continue;
      sum.blocks += static_cast<double>(sparse->value.size());
    }
  }
  return sum;
}

template <class T>
Rows<T, Counting> rows_of(const RowsToCome& rows, int count, const Graph& graph, bool patches) {
  Rows<T, Counting> batch;
  batch.count = count;
  batch.selection = rows.selection;
  const auto n = static_cast<std::size_t>(count);
  const auto size = static_cast<std::size_t>(graph.nodes[rows.node].shape.size());
  using Numbers = Counting::Array<T>;
  if (rows.selection) {
    batch.sign = Numbers(n);
    if (patches) batch.start_y = batch.start_x = Counting::Array<int>(n);
  } else {
    batch.dense = Numbers(n * size);
  }
  if (rows.input) batch.input = Numbers(n * graph.inputs());
  return batch;
}

/// Slopes of domains, in rows without numbers.
template <class T>
void give_slopes(const Plan& plan, const Relaxation<T, Counting>& relaxation,
                 Rows<T, Counting>& rows) {
  rows.alpha.resize(plan.start + 1);
  rows.splits.resize(plan.start + 1);
  for (const int v : plan.elementwise) {
    if (!relaxation.lines[v].relu) continue;
    const std::size_t n = static_cast<std::size_t>(rows.count) * plan.extent[v].size();
    rows.alpha[v].value = rows.alpha[v].m = rows.alpha[v].v = Counting::Array<T>(n);
  }
}

}  // namespace

void activate(const Counting&, const Operator&, std::size_t, const float*, float*) {}
void activate_gradient(const Counting&, const Operator&, std::size_t, const float*, const float*,
                       bool, float*) {}

/// A network without the neurons that are supposed to be dead.
struct RowForecast::Descended {
  explicit Descended(Reduced of, int start)
      : reduced(std::move(of)),
        net(counted_network<float>(reduced.graph, {Thinned::kPackBytes})),
        relaxation(counted_relaxation<float>(reduced.graph)),
        plan(make_plan(net, start, false)) {}

  Reduced reduced;
  Network<float> net;
  Relaxation<float, Counting> relaxation;
  Plan plan;
};

Bounds supposed_bounds(const Graph& graph, const RowForecast::Values& values, double unstable) {
  Bounds bounds(graph, 1);
  for (std::size_t v = 0; v < graph.nodes.size(); ++v) {
    const auto size = static_cast<std::size_t>(graph.nodes[v].shape.size());
    bounds.lo[v].assign(size, -1);
    bounds.hi[v].resize(size);
    for (std::size_t i = 0; i < size; ++i) {
      const double draw = uniform(0, v, i);
      const bool dead =
          values.empty() ? draw < RowForecast::kDeadShare : values[v][i] <= 0 && draw >= unstable;
      bounds.hi[v][i] = dead ? -1 : 1;
    }
  }
  return bounds;
}

KernelBytes kernel_bytes(const Graph& graph, std::size_t pack_bytes, bool gathered,
                         const ShapeRead& read) {
  const KernelBytes f = kernels_of<float>(graph, read, {pack_bytes}, gathered);
  const KernelBytes d = kernels_of<double>(graph, read, {pack_bytes}, gathered);
  return {f.packed + d.packed, f.scratch + d.scratch};
}

std::size_t root_bytes(const Graph& graph) {
  return root_bytes(graph, 0, static_cast<int>(graph.nodes.size()) - 1);
}

std::size_t root_bytes(const Graph& graph, int first, int last) {
  constexpr std::size_t kBoth = sizeof(float) + sizeof(double);
  std::size_t bytes = 2 * kBoth * graph.inputs();
  for (int v = first; v <= last; ++v) {
    const Node& node = graph.nodes[v];
    const std::size_t size = node.shape.size();
    bytes += 3 * sizeof(double) * size;  // lower, upper, magnitude
    if (elementwise(node.op)) bytes += 5 * kBoth * size;
  }
  return bytes;
}

RowForecast::RowForecast(const Graph& graph, double chunk_mib, int workers, const Values& values,
                         double unstable)
    : RowForecast(graph, chunk_mib, counted_network<float>(graph, {}),
                  counted_network<double>(graph, {})) {
  values_ = &values;
  unstable_ = unstable;
  workers_ = static_cast<std::size_t>(workers);
  most_iterations_ = kEnough;
}

RowForecast::RowForecast(const Graph& graph, double chunk_mib, Network<float> net32,
                         Network<double> net64)
    : graph_(graph),
      budget_mib_(chunk_mib),
      net32_(std::move(net32)),
      net64_(std::move(net64)),
      relax32_(counted_relaxation<float>(graph)),
      relax64_(counted_relaxation<double>(graph)) {
  magnitude_.value.resize(graph.nodes.size());
  magnitude_.affine.resize(graph.nodes.size());
  space32_.count_in(&ledger_);
  space64_.count_in(&ledger_);
}

bool RowForecast::patches(const RowsToCome& rows) const {
  return rows.selection && !rows.input && graph_.nodes[rows.node].shape.image();
}

RowForecast::~RowForecast() = default;

void RowWork::add(const RowWork& more, double times) {
  matrices32 += times * more.matrices32;
  convolutions32 += times * more.convolutions32;
  blocks32 += times * more.blocks32;
  matrices64 += times * more.matrices64;
  convolutions64 += times * more.convolutions64;
  elements32 += times * more.elements32;
  elements64 += times * more.elements64;
  slopes += times * more.slopes;
}

std::unique_ptr<RowForecast::Descended> RowForecast::thinned(const RowsToCome& rows) const {
  const bool worth =
      static_cast<std::int64_t>(rows.count) * rows.iterations >= Thinned::kLeastPasses;
  // What is left of a share is no graph for others (thinned.cpp).
  if (net32_.group() != nullptr) return nullptr;
  if (!worth || !rows.selection || rows.input) return nullptr;
  std::vector<int> all(static_cast<std::size_t>(graph_.nodes[rows.node].shape.size()));
  std::iota(all.begin(), all.end(), 0);
  auto reduced = Thinned::graph_of(graph_, supposed_bounds(graph_, *values_, unstable_), rows.node,
                                   all, make_plan(net32_, rows.node, patches(rows)));
  if (!reduced) return nullptr;
  return std::make_unique<Descended>(std::move(*reduced), rows.node);
}

std::size_t RowForecast::budget_of(const Descended* thin) const {
  return static_cast<std::size_t>(budget_mib_ * (thin != nullptr ? Thinned::kRowsShare : 1) *
                                  1048576.0);
}

int RowForecast::part(const RowsToCome& rows, const Descended* thin) const {
  return std::min(rows.count,
                  chunk_rows(part_bytes(rows, thin), budget_of(thin), rows.count, rows.hands));
}

std::size_t RowForecast::part_bytes(const RowsToCome& rows, const Descended* thin) const {
  const Plan plan = thin != nullptr ? thin->plan : make_plan(net32_, rows.node, patches(rows));
  const std::size_t slopes =
      rows.iterations > 0 ? slopes_of(plan, thin != nullptr ? thin->relaxation : relax32_) : 0;
  return row_bytes(plan, sizeof(float), slopes, sizeof(float));
}

RowWork RowForecast::work(const RowsToCome& rows) const {
  const std::unique_ptr<Descended> thin = thinned(rows);
  const Plan whole = make_plan(net32_, rows.node, patches(rows));
  RowWork work;
  const Products once = products_of(graph_, whole, rows.selection);
  work.matrices64 = once.matrices;
  work.convolutions64 = once.convolutions;
  work.elements64 = static_cast<double>(whole.kept);
  const Plan& plan = thin ? thin->plan : whole;
  const std::size_t slopes = slopes_of(plan, thin ? thin->relaxation : relax32_);
  if (rows.iterations == 0 || slopes == 0) return work;
  const Products each = thin ? products_of(thin->reduced.graph, plan, rows.selection) : once;
  const double passes = 2.0 * rows.iterations - 1;  // the last iteration only pulls
  work.matrices32 = each.matrices * passes;
  work.convolutions32 = each.convolutions * passes;
  work.blocks32 = each.blocks * passes;
  work.elements32 = static_cast<double>(plan.kept) * passes;
  // Those of the descent, its best ones and moments; those of the pull that settles.
  work.slopes = static_cast<double>(4 * found_bytes(1, slopes) +
                                    (thin ? found_bytes(1, slopes_of(whole, relax32_)) : 0) +
                                    settled_bytes(1, slopes_of(whole, relax32_)));
  return work;
}

int RowForecast::bound(const RowsToCome& rows) {
  if (rows.count == 0) return 0;
  const std::unique_ptr<Descended> thin = thinned(rows);
  const Counted network(&ledger_, MemoryClass::kNetworks,
                        thin ? Thinned::bytes_of(thin->reduced, thin->net) / workers_ : 0);
  const int each = part(rows, thin.get());
  // Parts of one size do the same as the one before, once they find the same buffers.
  int left = rows.count;
  for (std::size_t before = ~std::size_t{0}; left >= each && before != held(); left -= each) {
    before = held();
    bound_part(rows, each, thin.get());
  }
  if (left % each > 0) bound_part(rows, left % each, thin.get());
  return each;
}

void RowForecast::bound_part(const RowsToCome& rows, int count, const Descended* thin) {
  const Plan whole = make_plan(net32_, rows.node, patches(rows));
  const Plan plan64 = make_plan(net64_, rows.node, patches(rows));
  const Plan& plan = thin != nullptr ? thin->plan : whole;
  const Relaxation<float, Counting>& relaxation = thin != nullptr ? thin->relaxation : relax32_;
  const bool optimise = rows.iterations > 0 && slopes_of(whole, relax32_) > 0;
  const Counted best(&ledger_, MemoryClass::kAlpha,
                     optimise ? found_bytes(count, slopes_of(plan, relaxation)) : 0);
  if (optimise) {
    const Deadline never(HUGE_VAL);
    OptimiseSettings settings;
    settings.iterations = std::min(rows.iterations, most_iterations_);
    const Graph& graph = thin != nullptr ? thin->reduced.graph : graph_;
    Descent<Counting> descent(thin != nullptr ? thin->net : net32_, relaxation, plan, never,
                              space32_, settings, Counting());
    auto batch = rows_of<float>(rows, count, graph, thin == nullptr && patches(rows));
    SlopesOf<Counting> found;
    descent.run(batch, found);
  }
  // As RowTask: ranks that share the neurons hold the buffers of one precision at a time.
  const bool short_of_memory = net64_.group() != nullptr;
  if (short_of_memory) space32_.clear();
  const int at_once =
      chunk_rows(row_bytes(plan64, sizeof(double), 0, 0), budget_of(thin), count, 1);
  for (int at = 0; at < count; at += at_once) {
    const int some = std::min(at_once, count - at);
    const Counted slopes64(&ledger_, MemoryClass::kAlpha,
                           optimise ? settled_bytes(some, slopes_of(plan64, relax32_)) : 0);
    const auto batch = rows_of<double>(rows, some, graph_, patches(rows));
    std::vector<double> bound(some);
    settle(net64_, relax64_, magnitude_, plan64, batch, space64_, bound.data());
  }
  if (short_of_memory) space64_.clear();
}

void RowForecast::bound_domains(int rows, int doubles, bool input, bool push_start) {
  const RowsToCome forms{net32_.nodes() - 1, rows, false, input, 1, 1};
  const Plan plan = make_plan(net32_, forms.node, false, push_start);
  const std::size_t slopes = slopes_of(plan, relax32_);
  const Counted batch(&ledger_, MemoryClass::kAlpha, batch_bytes<float>(rows, slopes, true));
  Pass<float, Counting> pass(net32_, relax32_, plan, space32_);
  auto rows32 = rows_of<float>(forms, rows, graph_, false);
  give_slopes(plan, relax32_, rows32);
  const Step<float> step = adam_step<float>(0, 0, 0);
  Counting::Array<float> value;
  for (int t = 0; t < 2; ++t) {
    pass.pull(rows32, true);
    pass.push(rows32, &step, push_start ? &value : nullptr);
  }
  pass.end();
  const Plan plan64 = make_plan(net64_, forms.node, false);
  const Counted settled(&ledger_, MemoryClass::kAlpha, batch_bytes<double>(doubles, slopes, false));
  Pass<double, Counting> pass64(net64_, relax64_, plan64, space64_);
  auto rows64 = rows_of<double>(forms, doubles, graph_, false);
  give_slopes(plan64, relax64_, rows64);
  std::vector<double> bound;
  std::vector<double> error;
  pass64.pull(rows64, true, bound, &magnitude_, &error);
}

void RowForecast::attack(int points) {
  Concrete<Counting> concrete(net32_, space32_);
  for (int t = 0; t < 2; ++t) {
    concrete.evaluate(points, nullptr, nullptr, true);
    concrete.gradient(nullptr, nullptr);
  }
}

}  // namespace coronet::bound
