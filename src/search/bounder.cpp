#include "search/bounder.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "device/vector.h"

namespace coronet::search {

using bound::Pass;

int Bounder::chunk() const {
  const bound::Plan& plan = layout_.plan32();
  const std::size_t row = sizeof(float) * (4 * plan.kept + plan.passing) + 1;
  const auto budget = static_cast<std::size_t>(context_.options.chunk_mib * 1048576.0);
  // Two children a domain.
  return static_cast<int>(
      std::clamp<std::size_t>(budget / row / 2, 2, std::max(2, context_.options.batch / 2)));
}

Batch<float> Bounder::make_batch(const std::vector<Domain>& domains, int first, int last) const {
  int count = 0;
  for (int i = first; i < last; ++i) count += domains[i].split_node >= 0 ? 2 : 1;
  Batch<float> batch = layout_.make<float>(count, true);
  int r = 0;
  for (int i = first; i < last; ++i) {
    const Domain& d = domains[i];
    if (d.split_node < 0) {
      layout_.put(batch, r++, d);
      continue;
    }
    for (const float sign : {1.0F, -1.0F}) {
      layout_.put(batch, r, d);
      batch.rows.splits[d.split_node][r++].push_back({d.split_neuron, sign, 0, 0, 0});
    }
  }
  return batch;
}

void Bounder::run(const std::vector<Domain>& domains, int first, int last, int iterations,
                  int worker, const std::function<bool()>& stop, const Look& look,
                  Bounded& result) {
  Batch<float> batch = make_batch(domains, first, last);
  bound::Rows<float>& rows = batch.rows;
  const std::int64_t count = rows.count;
  const bound::Plan& plan = layout_.plan32();
  Pass<float> pass(context_.net32, root_.relax32, plan, context_.space32[worker]);
  std::vector<Domain> proved;  // positive in float32: to be confirmed in double
  double lr_alpha = context_.options.lr_branch;
  double lr_beta = context_.options.lr_beta;
  std::vector<float> bound;
  std::vector<char> out(rows.count, 0);
  AlignedVector<float> value;
  for (int t = 0; t < iterations; ++t) {
    if (stop()) {
      result.open.insert(result.open.end(), domains.begin() + first, domains.begin() + last);
      return;
    }
    pass.pull(rows, true, bound);
    int leaving = 0;
    for (int r = 0; r < rows.count; ++r) {
      if (!out[r] && bound[r] > 0) {
        proved.push_back(layout_.get(batch, r, bound[r]));
        out[r] = 1;
      }
      leaving += out[r];
    }
    if (leaving == rows.count) break;
    if (t + 1 == iterations) {
      if (look) look(pass, batch, bound, out, worker);
      for (int r = 0; r < rows.count; ++r) {
        if (out[r]) continue;
        Domain d = layout_.get(batch, r, bound[r]);
        choose_split(pass, batch, r, d);
        (d.split_node >= 0 ? result.open : result.exhausted).push_back(std::move(d));
      }
      break;
    }
    const bound::Step<float> step = bound::adam_step<float>(t, lr_alpha, lr_beta);
    pass.push(rows, &step, layout_.several() ? &value : nullptr);
    if (layout_.several()) step_lambda(layout_, pass, batch, value, step.beta);
    if (leaving * 8 > rows.count) {
      for (char& c : out) c = c ? 0 : 1;
      batch.compact(out, plan);
      out.assign(rows.count, 0);
    }
    lr_alpha *= context_.options.lr_decay;
    lr_beta *= context_.options.lr_decay;
  }
  pass.end();
  confirm(std::move(proved), worker, result);
  result.count += count;
}

Bounded Bounder::run(const std::vector<Domain>& domains, int iterations,
                     const std::function<bool()>& stop, const Look& look) {
  const int total = static_cast<int>(domains.size());
  const int workers = context_.workers.size();
  const int per_worker = (total + workers - 1) / workers;
  const int size = std::max(1, std::min(chunk(), per_worker));
  const int tasks = (total + size - 1) / size;
  std::vector<Bounded> results(tasks);
  context_.workers.run(tasks, [&](int task, int worker) {
    run(domains, task * size, std::min(total, (task + 1) * size), iterations, worker, stop, look,
        results[task]);
  });
  Bounded all;
  for (Bounded& r : results) {
    all.count += r.count;
    std::move(r.open.begin(), r.open.end(), std::back_inserter(all.open));
    std::move(r.exhausted.begin(), r.exhausted.end(), std::back_inserter(all.exhausted));
  }
  return all;
}

/// The unsplit neuron whose upper line's intercept costs the bound most; where none costs anything,
/// the one with the widest bounds, so that the search still ends with every neuron split.
template <class T>
void Bounder::choose_split(const Pass<T>& pass, const Batch<T>& batch, int r, Domain& d) const {
  static thread_local AlignedVector<float> scored;
  const bound::RowSet set = batch.rows.set();
  d.split_node = -1;
  float best = 0;
  for (int v : layout_.relus()) {
    const auto& lines = root_.relax32.lines[v];
    const bound::Extent& e = layout_.plan32().extent[v];
    const T* a = pass.kept(v, r);
    scored.resize(e.size());
    for (int i = 0; i < e.size(); ++i) scored[i] = static_cast<float>(a[i]);
    for (const auto& s : batch.rows.splits[v][r]) {
      const int at = offset_if_inside(e, set, r, s.neuron);
      if (at >= 0) scored[at] = 0;
    }
    for_each_run(
        e, set, r,
        [&](int offset, int node, int n) {
          float score = 0;
          const int j = device::elementwise<float>().split_score(
              n, scored.data() + offset, lines.tu.data() + node, lines.free.data() + node, &score);
          if (j < 0 || !(score > best)) return;
          best = score;
          d.split_node = v;
          d.split_neuron = node + j;
        },
        [](int, int) {});
  }
  if (d.split_node >= 0) return;
  double widest = 0;
  for (int v : layout_.relus()) {
    const int u = context_.net32.inputs(v)[0];
    const auto& splits = batch.rows.splits[v][r];
    layout_.for_each_free(batch, v, r, [&](int j, int) {
      const double width = std::min(-root_.bounds.lo[u][j], root_.bounds.hi[u][j]);
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

std::vector<double> Bounder::rigorous(std::vector<Domain>& domains, int first, int last, int worker,
                                      bool resplit) {
  constexpr int kAtOnce = 128;
  std::vector<double> safe;
  for (int at = first; at < last; at += kAtOnce) {
    const int count = std::min(kAtOnce, last - at);
    Batch<double> batch = layout_.make<double>(count, false);
    for (int r = 0; r < count; ++r) layout_.put(batch, r, domains[at + r]);
    Pass<double> pass(context_.net64, root_.relax64, layout_.plan64(), context_.space64[worker]);
    std::vector<double> bound;
    std::vector<double> error;
    pass.pull(batch.rows, resplit, bound, &root_.magnitude, &error);
    for (int r = 0; r < count; ++r) {
      Domain& d = domains[at + r];
      double b = bound[r] - error[r];
      if (!layout_.objectives().selection()) {
        b -= combine_error(root_, layout_.objectives().clauses[d.objective],
                           d.lambda.empty() ? nullptr : d.lambda.data(), layout_.outputs(),
                           layout_.inputs());
      }
      safe.push_back(std::isfinite(b) ? bound::down(b) : -HUGE_VAL);
      if (resplit && !(safe.back() > 0)) choose_split(pass, batch, r, d);
    }
  }
  return safe;
}

/// A float32 bound proves nothing: each is pulled again in double with the same multipliers, less
/// its rounding.
void Bounder::confirm(std::vector<Domain> proved, int worker, Bounded& result) {
  const std::vector<double> safe =
      rigorous(proved, 0, static_cast<int>(proved.size()), worker, true);
  for (std::size_t i = 0; i < proved.size(); ++i) {
    if (safe[i] > 0) continue;
    Domain& d = proved[i];
    d.bound = static_cast<float>(safe[i]);
    (d.split_node >= 0 ? result.open : result.exhausted).push_back(std::move(d));
  }
}

}  // namespace coronet::search
