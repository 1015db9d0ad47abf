#include "bound/row_memory.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>
#include <variant>

#include "base/resources.h"
#include "bound/affine_dense.h"
#include "bound/descent.h"
#include "bound/pass.h"

namespace coronet::bound {

namespace {

/// Iterations of a descent after which its buffers have the sizes that they keep.
constexpr int kEnough = 4;

/// An operator that says what it reaches and multiplies nothing.
template <class T>
class CountedAffine final : public Affine<T> {
 public:
  explicit CountedAffine(std::unique_ptr<Affine<T>> of) : of_(std::move(of)) {}
  bool windowed() const override { return of_->windowed(); }
  Extent reach(const Extent& out, int k) const override { return of_->reach(out, k); }
  void pull(const RowSet&, const T*, const Extent&, int, T*, const Extent&, bool) const override {}
  bool pull_selection(int, const int*, const T*, T*, double*) const override {
    return of_->pull_selection(0, nullptr, nullptr, nullptr, nullptr);
  }
  void push(const RowSet&, const T* const*, const Extent* const*, T*,
            const Extent&) const override {}
  void bias(const RowSet&, const T*, const Extent&, double*) const override {}
  double bias_of(int) const override { return 0; }
  void apply(const double* const*, double*, Workers*) const override {}
  void apply_abs(const double* const*, double*, Workers*) const override {}
  int terms() const override { return 0; }

 private:
  std::unique_ptr<Affine<T>> of_;
};

template <class T>
Network<T> counted_network(const Graph& graph) {
  return Network<T>(graph, [&graph](int v) -> std::unique_ptr<Affine<T>> {
    PackBudget none;
    auto of = make_affine<T>(graph, v, none);
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
std::size_t packed_by(const Graph& graph, PackBudget budget, bool all) {
  std::size_t sum = 0;
  for (const Node& node : graph.nodes) {
    if (const Dense* dense = std::get_if<Dense>(&node.op)) {
      const std::size_t bytes = AffineDense<T>::packed_bytes(*dense);
      if ((all || dense->weight.here()) && budget.take(bytes)) sum += bytes;
      continue;
    }
    Node here = node;
    if (Conv* conv = std::get_if<Conv>(&here.op); conv != nullptr && all) {
      conv->weight = gathered(conv->weight);
    }
    std::vector<Shape> in;
    for (int u : node.inputs) in.push_back(graph.nodes[u].shape);
    const auto made = make_affine<T>(here, in, budget);
    sum += made ? made->bytes() : 0;
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

}  // namespace

std::size_t packed_bytes(const Graph& graph, std::size_t pack_bytes, bool gathered) {
  return packed_by<float>(graph, {pack_bytes}, gathered) +
         packed_by<double>(graph, {pack_bytes}, gathered);
}

std::size_t root_bytes(const Graph& graph) {
  constexpr std::size_t kBoth = sizeof(float) + sizeof(double);
  std::size_t bytes = 2 * kBoth * graph.inputs();
  for (const Node& node : graph.nodes) {
    const std::size_t size = node.shape.size();
    bytes += 3 * sizeof(double) * size;  // lower, upper, magnitude
    if (elementwise(node.op)) bytes += 5 * kBoth * size;
  }
  return bytes;
}

RowForecast::RowForecast(const Graph& graph, double chunk_mib)
    : graph_(graph),
      budget_(static_cast<std::size_t>(chunk_mib * 1048576.0)),
      net32_(counted_network<float>(graph)),
      net64_(counted_network<double>(graph)),
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

std::size_t RowForecast::slopes(const RowsToCome& rows, const Plan& plan) const {
  return rows.iterations > 0 ? slopes_of(plan, relax32_) : 0;
}

int RowForecast::part(const RowsToCome& rows) const {
  const Plan plan = make_plan(net32_, rows.node, patches(rows));
  const std::size_t bytes = row_bytes(plan, sizeof(float), slopes(rows, plan), sizeof(float));
  return std::min(rows.count, chunk_rows(bytes, budget_, rows.count, rows.hands));
}

double RowForecast::products(const RowsToCome& rows) const {
  const double all = row_products(graph_, make_plan(net32_, rows.node, patches(rows)));
  // A selection's rows of a dense weight are copied.
  const Dense* dense = std::get_if<Dense>(&graph_.nodes[rows.node].op);
  return rows.selection && dense != nullptr ? all - static_cast<double>(dense->in) * dense->out
                                            : all;
}

void RowForecast::bound(const RowsToCome& rows) {
  if (rows.count == 0) return;
  const int each = part(rows);
  // Parts of one size do the same as the one before, once they find the same buffers.
  int left = rows.count;
  for (std::size_t before = ~std::size_t{0}; left >= each && before != held(); left -= each) {
    before = held();
    bound_part(rows, each);
  }
  if (left % each > 0) bound_part(rows, left % each);
}

void RowForecast::bound_part(const RowsToCome& rows, int count) {
  const Plan plan = make_plan(net32_, rows.node, patches(rows));
  const Plan plan64 = make_plan(net64_, rows.node, patches(rows));
  const std::size_t width = slopes(rows, plan);
  const Counted best(&ledger_, MemoryClass::kAlpha, found_bytes(count, width));
  if (width > 0) {
    const Deadline never(HUGE_VAL);
    OptimiseSettings settings;
    settings.iterations = std::min(rows.iterations, kEnough);
    Descent<Counting> descent(net32_, relax32_, plan, never, space32_, settings, Counting());
    auto batch = rows_of<float>(rows, count, graph_, patches(rows));
    SlopesOf<Counting> found;
    descent.run(batch, found);
  }
  const int at_once = chunk_rows(row_bytes(plan64, sizeof(double), 0, 0), budget_, count, 1);
  for (int at = 0; at < count; at += at_once) {
    const int some = std::min(at_once, count - at);
    const Counted slopes64(&ledger_, MemoryClass::kAlpha, settled_bytes(some, width));
    const auto batch = rows_of<double>(rows, some, graph_, patches(rows));
    std::vector<double> bound(some);
    settle(net64_, relax64_, magnitude_, plan64, batch, space64_, bound.data());
  }
}

}  // namespace coronet::bound
