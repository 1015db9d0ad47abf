#include "search/bounder.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "bound/accelerator.h"
#include "bound/domain_descent.h"
#include "bound/row_memory.h"
#include "device/vector.h"

namespace coronet::search {

using bound::Pass;

int domains_at_once(const bound::Plan& plan, const Options& options) {
  const std::size_t row = sizeof(float) * (4 * plan.kept + plan.passing) + 1;
  const auto budget = static_cast<std::size_t>(options.chunk_mib * 1048576.0);
  // Two children a domain.
  return static_cast<int>(
      std::clamp<std::size_t>(budget / row / 2, 2, std::max(2, options.batch / 2)));
}

Bounder::Bounder(bound::Context& context, const bound::Root& root, Objectives objectives)
    : context_(context), root_(root), layout_(context, root, std::move(objectives)) {
  if (context.device == nullptr || layout_.several() || layout_.relus().empty()) return;
  device_ = std::make_unique<DeviceBounder>(context, layout_);
}

bool Bounder::for_device(std::size_t domains) const {
  if (!device_) return false;
  constexpr std::size_t kMany = 1 << 24;  // no answer changes beyond
  const int rows = 2 * static_cast<int>(std::min(domains, kMany));
  return context_.for_device(rows, layout_.objectives().node);
}

int Bounder::round() const { return context_.workers.size() * chunk(); }

int Bounder::chunk() const { return domains_at_once(layout_.plan32(), context_.options); }

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

/// A batch on the CPU as bound::descend() wants it.
class Bounder::Rows {
 public:
  Rows(const Bounder& bounder, Batch<float> batch, const bound::DomainSettings& settings,
       const Look& look, int worker, Bounded& result)
      : bounder_(bounder),
        layout_(bounder.layout_),
        batch_(std::move(batch)),
        settings_(settings),
        look_(look),
        worker_(worker),
        result_(result) {}

  bound::Rows<float>& rows() { return batch_.rows; }
  /// Positive in float32: to be confirmed in double.
  std::vector<Domain> take_proved() { return std::move(proved_); }

  void leave(const std::vector<float>& bound, const std::vector<char>& flag) {
    for (int r = 0; r < batch_.rows.count; ++r) {
      if (flag[r]) proved_.push_back(layout_.get(batch_, r, bound[r]));
    }
  }

  void step(Pass<float>& pass, const bound::Step<float>& step) {
    pass.push(batch_.rows, &step, layout_.several() ? &value_ : nullptr);
    if (layout_.several()) step_lambda(layout_, pass, batch_, value_, step.beta);
  }

  void compact(const std::vector<char>& keep) { batch_.compact(keep, layout_.plan32()); }

  void last(const Pass<float>& pass, const std::vector<float>& bound,
            const std::vector<char>& open) {
    look(pass, bound::promising(bound, open, settings_.minimizers));
    for (int r = 0; r < batch_.rows.count; ++r) {
      if (!open[r]) continue;
      Domain d = layout_.get(batch_, r, bound[r]);
      bounder_.choose_split(pass, batch_, r, d);
      result_.add(std::move(d));
    }
  }

 private:
  void look(const Pass<float>& pass, const std::vector<int>& rows) const {
    if (rows.empty()) return;
    std::vector<int> objective;
    std::vector<float> x(rows.size() * layout_.inputs());
    for (int r : rows) {
      pass.minimizer(batch_.rows, r, x.data() + objective.size() * layout_.inputs());
      objective.push_back(batch_.rows.id[r]);
    }
    look_(objective, x, worker_);
  }

  const Bounder& bounder_;
  const Layout& layout_;
  Batch<float> batch_;
  const bound::DomainSettings& settings_;
  const Look& look_;
  int worker_;
  Bounded& result_;
  std::vector<Domain> proved_;
  AlignedVector<float> value_;
};

void Bounder::run_chunk(const std::vector<Domain>& domains, int first, int last, int iterations,
                        int worker, const std::function<bool()>& stop, const Look& look,
                        Bounded& result) {
  const bound::DomainSettings settings = domain_settings(context_.options, iterations, look);
  Rows rows(*this, make_batch(domains, first, last), settings, look, worker, result);
  const std::int64_t count = rows.rows().count;
  MemoryLedger* const ledger = context_.space32[worker].ledger();
  const Counted batch(ledger, MemoryClass::kAlpha,
                      bound::batch_bytes<float>(rows.rows().count, layout_.slopes(), true));
  Pass<float> pass(context_.net32, root_.relax32, layout_.plan32(), context_.space32[worker]);
  if (!bound::descend(pass, rows, settings, stop)) {
    result.open.insert(result.open.end(), domains.begin() + first, domains.begin() + last);
    return;
  }
  std::vector<Domain> proved = rows.take_proved();
  const std::vector<double> safe =
      pull_in_double(proved, 0, static_cast<int>(proved.size()), worker, true);
  result.add_unproved(std::move(proved), safe);
  result.count += count;
}

Bounded Bounder::run_on_workers(const std::vector<Domain>& domains, int iterations,
                                const std::function<bool()>& stop, const Look& look) {
  const int total = static_cast<int>(domains.size());
  const int workers = context_.workers.size();
  const int per_worker = (total + workers - 1) / workers;
  const int size = std::max(1, std::min(chunk(), per_worker));
  const int tasks = (total + size - 1) / size;
  std::vector<Bounded> results(tasks);
  context_.workers.run(tasks, [&](int task, int worker) {
    run_chunk(domains, task * size, std::min(total, (task + 1) * size), iterations, worker, stop,
              look, results[task]);
  });
  Bounded all;
  for (Bounded& r : results) all.add(std::move(r));
  return all;
}

void Bounder::run(Worklist& list, int iterations, const std::function<bool()>& stop,
                  const Look& look) {
  if (for_device(list.waiting())) return device_->run(list, iterations, stop, look);
  list.take_back(run_on_workers(list.take_batch(round()), iterations, stop, look));
}

Bounded Bounder::run(std::vector<Domain> domains, int iterations, const std::function<bool()>& stop,
                     const Look& look) {
  return for_device(domains.size()) ? device_->run(std::move(domains), iterations, stop, look)
                                    : run_on_workers(domains, iterations, stop, look);
}

/// The unsplit neuron whose upper line's intercept costs the bound most.
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
  if (d.split_node < 0) split_widest(layout_, batch, r, d);
}

std::vector<double> Bounder::rigorous(std::vector<Domain>& domains) {
  const int total = static_cast<int>(domains.size());
  if (for_device(domains.size())) return device_->rigorous(domains);
  const int tasks = (total + kDoublesAtOnce - 1) / kDoublesAtOnce;
  std::vector<std::vector<double>> parts(tasks);
  context_.workers.run(tasks, [&](int task, int worker) {
    parts[task] = pull_in_double(domains, task * kDoublesAtOnce,
                                 std::min(total, (task + 1) * kDoublesAtOnce), worker, false);
  });
  std::vector<double> all;
  for (const auto& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

std::vector<double> Bounder::pull_in_double(std::vector<Domain>& domains, int first, int last,
                                            int worker, bool resplit) {
  std::vector<double> safe;
  for (int at = first; at < last; at += kDoublesAtOnce) {
    const int count = std::min(kDoublesAtOnce, last - at);
    Batch<double> batch = layout_.make<double>(count, false);
    const Counted counted(context_.space64[worker].ledger(), MemoryClass::kAlpha,
                          bound::batch_bytes<double>(count, layout_.slopes(), false));
    for (int r = 0; r < count; ++r) layout_.put(batch, r, domains[at + r]);
    Pass<double> pass(context_.net64, root_.relax64, layout_.plan64(), context_.space64[worker]);
    std::vector<double> bound;
    std::vector<double> error;
    pass.pull(batch.rows, resplit, bound, &root_.magnitude, &error);
    for (int r = 0; r < count; ++r) {
      Domain& d = domains[at + r];
      safe.push_back(certain(layout_, d, bound[r] - error[r]));
      if (resplit && !(safe.back() > 0)) choose_split(pass, batch, r, d);
    }
  }
  return safe;
}

}  // namespace coronet::search
