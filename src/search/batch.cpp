#include "search/batch.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace coronet::search {

Layout::Layout(const bound::Context& context, const bound::Root& root, Objectives objectives)
    : objectives_(std::move(objectives)),
      net_(&context.net32),
      root_(&root),
      outputs_(context.net32.size(objectives_.node)),
      inputs_(context.net32.size(0)) {
  const int node = objectives_.node;
  patches_ = objectives_.selection() && context.net32.shape(node).image();
  for (const ClauseRows& c : objectives_.clauses) {
    several_ |= c.count > 1;
    any_input_ |= !c.input.empty();
  }
  plan32_ = make_plan(context.net32, node, patches_, several_);
  plan64_ = make_plan(context.net64, node, patches_);
  patches_ = !plan32_.extent[node].whole;
  free_.resize(node + 1);
  for (int v : plan32_.elementwise) {
    const auto& lines = root.relax32.lines[v];
    if (!lines.relu) continue;
    relus_.push_back(v);
    slopes_ += plan32_.extent[v].size();
    whole_ &= plan32_.extent[v].whole;
    for (int j = 0; j < lines.size; ++j) {
      if (lines.free[j] > 0) free_[v].push_back(j);
    }
    free_neurons_ += free_[v].size();
  }
}

template <class T>
void Layout::shape_form(bound::Rows<T>& rows, int count) const {
  rows.count = count;
  if (objectives_.selection()) {
    rows.selection = true;
    rows.neuron.resize(count);
    rows.sign.resize(count);
  } else {
    rows.dense.resize(static_cast<std::size_t>(count) * outputs_);
    if (any_input_) rows.input.resize(static_cast<std::size_t>(count) * inputs_);
    rows.constant.resize(count);
  }
  if (patches_) {
    rows.start_y.resize(count);
    rows.start_x.resize(count);
  }
  rows.id.resize(count);
}

template <class T>
Batch<T> Layout::make(int count, bool optimised) const {
  Batch<T> batch;
  bound::Rows<T>& rows = batch.rows;
  shape_form(rows, count);
  const int nodes = objectives_.node + 1;
  rows.splits.resize(nodes);
  rows.alpha.resize(nodes);
  batch.lambda.resize(count);
  for (auto& s : rows.splits) s.resize(count);
  for (int v : relus_) {
    const std::size_t n = static_cast<std::size_t>(count) * plan32_.extent[v].size();
    rows.alpha[v].value.resize(n);
    if (!optimised) continue;
    rows.alpha[v].m.assign(n, T(0));
    rows.alpha[v].v.assign(n, T(0));
  }
  return batch;
}

namespace {

/// The row's linear form from its multipliers.
template <class T>
void write_form(const Layout& layout, bound::Rows<T>& rows, int r, const float* lambda) {
  const ClauseRows& clause = layout.objectives().clauses[rows.id[r]];
  T* input = layout.any_input() ? rows.input.data() + static_cast<std::size_t>(r) * layout.inputs()
                                : nullptr;
  rows.constant[r] =
      combine(clause, lambda, layout.outputs(), layout.inputs(),
              rows.dense.data() + static_cast<std::size_t>(r) * layout.outputs(), input);
}

}  // namespace

template <class T>
void Layout::write_alpha(Batch<T>& batch, int r, const Domain& d) const {
  std::size_t next = 0;
  for (int v : relus_) {
    const auto& lines = root_->relax32.lines[v];
    const bound::Extent& e = plan32_.extent[v];
    T* alpha = batch.rows.alpha[v].value.data() + static_cast<std::size_t>(r) * e.size();
    for_each_run(
        e, batch.rows.set(), r,
        [&](int offset, int node, int n) {
          std::copy(lines.sl.begin() + node, lines.sl.begin() + node + n, alpha + offset);
        },
        [&](int offset, int n) { std::fill(alpha + offset, alpha + offset + n, T(0)); });
    if (d.alpha.empty()) continue;
    for_each_free(batch.rows.set(), v, r, [&](int, int, int at) {
      alpha[at] = std::max(static_cast<T>(d.alpha[next++]) / T(65535), static_cast<T>(lines.floor));
    });
  }
}

template <class T>
void Layout::put_form(bound::Rows<T>& rows, int r, const Domain& d) const {
  rows.id[r] = d.objective;
  if (objectives_.selection()) {
    rows.neuron[r] = objectives_.neuron[d.objective];
    rows.sign[r] = objectives_.sign[d.objective];
  } else {
    write_form(*this, rows, r, d.lambda.empty() ? nullptr : d.lambda.data());
  }
  if (patches_) {
    const Shape& shape = plan32_.extent[objectives_.node].shape;
    const int pixel = rows.neuron[r] / shape.channels;
    rows.start_y[r] = pixel / shape.width;
    rows.start_x[r] = pixel % shape.width;
  }
}

template <class T>
void Layout::put(Batch<T>& batch, int r, const Domain& d) const {
  put_form(batch.rows, r, d);
  Lambda<T>& lambda = batch.lambda[r];
  lambda.value.assign(d.lambda.begin(), d.lambda.end());
  lambda.m.assign(d.lambda.size(), T(0));
  lambda.v.assign(d.lambda.size(), T(0));
  write_alpha(batch, r, d);
  for (const Decision& s : d.decisions) {
    batch.rows.splits[s.node][r].push_back(
        {s.neuron, static_cast<T>(s.sign), static_cast<T>(s.beta), T(0), T(0)});
  }
}

template <class T>
Domain Layout::get(const Batch<T>& batch, int r, double bound) const {
  const bound::Rows<T>& rows = batch.rows;
  Domain d;
  d.objective = rows.id[r];
  d.bound = static_cast<float>(bound);
  d.lambda.assign(batch.lambda[r].value.begin(), batch.lambda[r].value.end());
  // Millions may be open: they take no more than they need.
  if (whole_) d.alpha.reserve(free_neurons_);
  std::size_t decisions = 0;
  for (int v : relus_) decisions += rows.splits[v][r].size();
  d.decisions.reserve(decisions);
  for (int v : relus_) {
    const T* alpha =
        rows.alpha[v].value.data() + static_cast<std::size_t>(r) * plan32_.extent[v].size();
    for_each_free(batch.rows.set(), v, r, [&](int, int, int at) {
      d.alpha.push_back(static_cast<std::uint16_t>(alpha[at] * T(65535) + T(0.5)));
    });
    for (const bound::Split<T>& s : rows.splits[v][r]) {
      d.decisions.push_back({v, s.neuron, static_cast<float>(s.sign), static_cast<float>(s.beta)});
    }
  }
  return d;
}

Domain Layout::root_domain(int objective, double bound, std::vector<float> lambda,
                           const std::vector<AlignedVector<float>>& alpha) const {
  Domain d;
  d.objective = objective;
  d.bound = static_cast<float>(bound);
  if (!objectives_.selection() && objectives_.clauses[objective].count > 1) {
    d.lambda = std::move(lambda);
  }
  if (alpha.empty()) return d;
  for (int v : relus_) {
    for (int j : free_[v]) {
      const float a = alpha[v].empty() ? root_->relax32.lines[v].sl[j] : alpha[v][j];
      d.alpha.push_back(static_cast<std::uint16_t>(a * 65535.0F + 0.5F));
    }
  }
  return d;
}

template <class T>
void split_widest(const Layout& layout, const Batch<T>& batch, int r, Domain& d) {
  const bound::Bounds& bounds = layout.root().bounds;
  double widest = 0;
  for (int v : layout.relus()) {
    const int u = layout.net().inputs(v)[0];
    const auto& splits = batch.rows.splits[v][r];
    layout.for_each_free(batch.rows.set(), v, r, [&](int, int j, int) {
      const double width = std::min(-bounds.lo[u][j], bounds.hi[u][j]);
      if (width <= widest ||
          std::any_of(splits.begin(), splits.end(), [j](const auto& s) { return s.neuron == j; })) {
        return;
      }
      widest = width;
      d.split_node = v;
      d.split_neuron = j;
    });
  }
}

double certain(const Layout& layout, const Domain& d, double bound) {
  if (!layout.objectives().selection()) {
    bound -= combine_error(layout.root(), layout.objectives().clauses[d.objective],
                           d.lambda.empty() ? nullptr : d.lambda.data(), layout.outputs(),
                           layout.inputs());
  }
  return std::isfinite(bound) ? bound::down(bound) : -HUGE_VAL;
}

#define CORONET_INSTANTIATE(T)                                               \
  template Batch<T> Layout::make(int, bool) const;                           \
  template void Layout::shape_form(bound::Rows<T>&, int) const;              \
  template void Layout::put_form(bound::Rows<T>&, int, const Domain&) const; \
  template void Layout::put(Batch<T>&, int, const Domain&) const;            \
  template Domain Layout::get(const Batch<T>&, int, double) const;           \
  template void split_widest(const Layout&, const Batch<T>&, int, Domain&);
CORONET_INSTANTIATE(float)
CORONET_INSTANTIATE(double)
#undef CORONET_INSTANTIATE

void step_lambda(const Layout& layout, const bound::Pass<float>& pass, Batch<float>& batch,
                 const AlignedVector<float>& value, const kernels::AdamStep<float>& step) {
  std::vector<float> x(layout.inputs());
  for (int r = 0; r < batch.rows.count; ++r) {
    Lambda<float>& lambda = batch.lambda[r];
    if (lambda.value.empty()) continue;
    const ClauseRows& clause = layout.objectives().clauses[batch.rows.id[r]];
    const float* y = value.data() + static_cast<std::size_t>(r) * layout.outputs();
    if (!clause.input.empty()) pass.minimizer(batch.rows, r, x.data());
    float sum = 0;
    for (int i = 0; i < clause.count; ++i) {
      double g = clause.constant[i];
      const double* c = clause.output.data() + static_cast<std::size_t>(i) * layout.outputs();
      for (int j = 0; j < layout.outputs(); ++j) g += c[j] * y[j];
      if (!clause.input.empty()) {
        const double* h = clause.input.data() + static_cast<std::size_t>(i) * layout.inputs();
        for (int j = 0; j < layout.inputs(); ++j) g += h[j] * x[j];
      }
      float& m = lambda.m[i];
      float& v = lambda.v[i];
      m = step.beta1 * m + (1 - step.beta1) * static_cast<float>(g);
      v = step.beta2 * v + (1 - step.beta2) * static_cast<float>(g * g);
      float& l = lambda.value[i];
      l = std::max(0.0F, l + step.rate * m / (std::sqrt(v * step.inv_scale2) + step.epsilon));
      sum += l;
    }
    // Only the direction of lambda counts: it is kept on the simplex, lest the bound shrink to 0
    // with it.
    for (float& l : lambda.value)
      l = sum > 1e-6F ? l / sum : 1.0F / static_cast<float>(clause.count);
    write_form(layout, batch.rows, r, lambda.value.data());
  }
}

}  // namespace coronet::search
