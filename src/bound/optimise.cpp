#include "bound/optimise.h"

#include <algorithm>
#include <atomic>
#include <cmath>

namespace coronet::bound {

namespace {

/// Bytes that one row takes in a batch of T: state, what pull keeps, what passes.
std::size_t row_bytes(const Plan& plan, std::size_t number, bool optimised) {
  return number * (plan.kept * (optimised ? 5 : 1) + plan.passing) + 1;
}

bool usable_patches(const RowList& list, const Shape& shape) {
  return !list.neuron.empty() && shape.image() && list.input.empty();
}

/// Rows of a chunk, so that it stays within the budget and every worker has as many chunks as the
/// others.
int chunk_rows(std::size_t bytes, std::size_t budget, int rows, int workers, int most) {
  const int fit = static_cast<int>(std::clamp<std::size_t>(budget / bytes, 2, most));
  int chunks = (rows + fit - 1) / fit;
  chunks = (chunks + workers - 1) / workers * workers;
  const int even = (rows + chunks - 1) / chunks;
  return std::max(2, even + even % 2);  // pairs stay together
}

/// One chunk's descent in float32. best[] is indexed by the row's place in the chunk.
class Descent {
 public:
  Descent(const Context& context, const Root& root, const Plan& plan, Workspace<float>& space,
          const OptimiseSettings& settings)
      : context_(context), root_(root), plan_(plan), space_(space), settings_(settings) {}

  /// Runs it and leaves the best slopes of every row in best_alpha.
  void run(Rows<float> rows, std::vector<AlignedVector<float>>& best_alpha) {
    const int total = rows.count;
    rows.id.resize(total);
    for (int r = 0; r < total; ++r) rows.id[r] = r;
    start_alpha(rows);
    best_.assign(total, -HUGE_VALF);
    mark_.assign(total, -HUGE_VALF);
    saved_.assign(total, -HUGE_VALF);
    best_alpha.assign(plan_.order.front() + 1, {});
    for (int v : plan_.elementwise) best_alpha[v] = rows.alpha[v].value;
    Pass<float> pass(context_.net32, root_.relax32, plan_, space_);
    double lr = settings_.lr;
    for (int t = 0; t < settings_.iterations && rows.count > 0; ++t) {
      if (context_.deadline.passed()) break;
      const bool last = t + 1 == settings_.iterations;
      pass.pull(rows, true, bound_);
      note(rows, t, last, best_alpha);
      if (last || leaving_ == rows.count) break;
      const Step<float> step = adam_step<float>(t, lr, 0);
      pass.push(rows, &step);
      // A few rows that are done do no harm; taking them out costs a copy.
      if (leaving_ * 8 > rows.count) take_out(rows);
      lr *= settings_.decay;
    }
  }

 private:
  void start_alpha(Rows<float>& rows) {
    rows.alpha.resize(plan_.order.front() + 1);
    for (int v : plan_.elementwise) {
      const Lines<float>& lines = root_.relax32.lines[v];
      if (!lines.relu) continue;
      const Extent& e = plan_.extent[v];
      const std::size_t n = static_cast<std::size_t>(rows.count) * e.size();
      rows.alpha[v].value.assign(n, 0.0F);
      rows.alpha[v].m.assign(n, 0.0F);
      rows.alpha[v].v.assign(n, 0.0F);
      space_.device().start_slopes(rows.set(), nullptr, lines.view(), e, rows.alpha[v].value.data());
    }
  }

  void save(const Rows<float>& rows, int r, std::vector<AlignedVector<float>>& best_alpha) {
    const int id = rows.id[r];
    saved_[id] = bound_[r];
    for (int v : plan_.elementwise) {
      const AlignedVector<float>& from = rows.alpha[v].value;
      if (from.empty()) continue;
      const std::size_t n = plan_.extent[v].size();
      std::copy(from.begin() + r * n, from.begin() + (r + 1) * n, best_alpha[v].begin() + id * n);
    }
  }

  /// Notes the bounds of iteration t, saves the slopes that count, and marks the rows that are
  /// done.
  void note(Rows<float>& rows, int t, bool last, std::vector<AlignedVector<float>>& best_alpha) {
    const bool saving = last || t >= settings_.iterations / 2;
    out_.assign(rows.count, 0);
    for (int r = 0; r < rows.count; ++r) {
      const int id = rows.id[r];
      const bool positive = settings_.stop_positive && bound_[r] > 0;
      best_[id] = std::max(best_[id], bound_[r]);
      if (positive) {
        save(rows, r, best_alpha);
        out_[r] = 1;
      } else if (saving && bound_[r] > saved_[id]) {
        save(rows, r, best_alpha);
      }
    }
    if (settings_.pairs) {
      for (int r = 0; r + 1 < rows.count; ++r) {
        if (rows.id[r] / 2 == rows.id[r + 1] / 2 && (out_[r] || out_[r + 1]))
          out_[r] = out_[r + 1] = 1;
      }
    }
    if (settings_.converged > 0 && t % 10 == 9) {
      for (int r = 0; r < rows.count; ++r) {
        const int id = rows.id[r];
        if (best_[id] - mark_[id] < settings_.converged * std::fabs(best_[id])) {
          if (!out_[r] && bound_[r] > saved_[id]) save(rows, r, best_alpha);
          out_[r] = 1;
        }
        mark_[id] = best_[id];
      }
    }
    leaving_ = static_cast<int>(std::count(out_.begin(), out_.end(), 1));
  }

  void take_out(Rows<float>& rows) {
    for (char& c : out_) c = c ? 0 : 1;
    rows.compact(space_.device(), out_, plan_);
  }

  const Context& context_;
  const Root& root_;
  const Plan& plan_;
  Workspace<float>& space_;
  const OptimiseSettings& settings_;
  std::vector<float> bound_, best_, mark_, saved_;
  std::vector<char> out_;  // rows of the batch that are done
  int leaving_ = 0;
};

/// The bound that counts: pulled in double with the slopes found, less its own rounding.
void settle(const Context& context, const Root& root, const RowList& list, int first, int last,
            const Plan& plan32, const std::vector<AlignedVector<float>>* alpha, int alpha_first,
            Workspace<double>& space, std::vector<double>& bound) {
  const bool patches = !plan32.extent[plan32.start].whole;
  const Plan plan = make_plan(context.net64, list.node, patches);
  const std::size_t budget = static_cast<std::size_t>(context.options.chunk_mib * 1048576.0);
  const int rows_at_once =
      chunk_rows(row_bytes(plan, sizeof(double), false), budget, last - first, 1, 512);
  for (int at = first; at < last; at += rows_at_once) {
    const int end = std::min(last, at + rows_at_once);
    Rows<double> rows = make_rows(context.net64, list, at, end, patches);
    if (alpha != nullptr) {
      rows.alpha.resize(list.node + 1);
      for (int v : plan.elementwise) {
        const std::size_t n = plan.extent[v].size();
        const auto& from = (*alpha)[v];
        if (from.empty()) continue;
        rows.alpha[v].value.assign(from.begin() + (at - alpha_first) * n,
                                   from.begin() + (end - alpha_first) * n);
      }
    }
    Pass<double> pass(context.net64, root.relax64, plan, space);
    std::vector<double> value;
    std::vector<double> error;
    pass.pull(rows, false, value, &root.magnitude, &error);
    for (int r = at; r < end; ++r) {
      const double b = down(value[r - at] - error[r - at]);
      bound[r] = std::isfinite(b) ? b : -HUGE_VAL;
    }
  }
}

}  // namespace

template <class T>
Rows<T> make_rows(const Network<T>& net, const RowList& list, int first, int last, bool patches) {
  Rows<T> rows;
  rows.count = last - first;
  rows.selection = !list.neuron.empty();
  const Shape& shape = net.shape(list.node);
  if (rows.selection) {
    rows.neuron.assign(list.neuron.begin() + first, list.neuron.begin() + last);
    rows.sign.assign(list.sign.begin() + first, list.sign.begin() + last);
    if (patches) {
      for (int j : rows.neuron) {
        rows.start_y.push_back(j / shape.channels / shape.width);
        rows.start_x.push_back(j / shape.channels % shape.width);
      }
    }
  } else {
    const std::size_t n = shape.size();
    rows.dense.assign(list.dense.begin() + first * n, list.dense.begin() + last * n);
  }
  if (!list.input.empty()) {
    const std::size_t n = net.size(0);
    rows.input.assign(list.input.begin() + first * n, list.input.begin() + last * n);
  }
  if (!list.constant.empty()) {
    rows.constant.assign(list.constant.begin() + first, list.constant.begin() + last);
  }
  return rows;
}
template Rows<float> make_rows(const Network<float>&, const RowList&, int, int, bool);
template Rows<double> make_rows(const Network<double>&, const RowList&, int, int, bool);

RowBounds bound_rows(Context& context, const Root& root, const RowList& list,
                     const OptimiseSettings& settings) {
  RowBounds result;
  const int total = list.count(context.net32.size(list.node));
  result.bound.assign(total, -HUGE_VAL);
  if (total == 0) return result;
  const bool patches = usable_patches(list, context.net32.shape(list.node));
  const Plan plan = make_plan(context.net32, list.node, patches);
  bool any_alpha = false;
  for (int v : plan.elementwise) any_alpha |= root.relax32.lines[v].relu;
  const bool optimise = settings.iterations > 0 && any_alpha;
  const std::size_t budget = static_cast<std::size_t>(context.options.chunk_mib * 1048576.0);
  const int rows_at_once = chunk_rows(row_bytes(plan, sizeof(float), optimise), budget, total,
                                      context.workers.size(), 512);
  const int chunks = (total + rows_at_once - 1) / rows_at_once;
  if (settings.keep_alpha) {
    result.alpha.resize(list.node + 1);
    for (int v : plan.elementwise) {
      if (root.relax32.lines[v].relu) {
        result.alpha[v].resize(static_cast<std::size_t>(total) * plan.extent[v].size());
      }
    }
  }
  std::atomic<bool> late{false};
  context.workers.run(chunks, [&](int chunk, int worker) {
    if (context.deadline.passed()) {
      late = true;
      return;
    }
    const int first = chunk * rows_at_once;
    const int last = std::min(total, first + rows_at_once);
    std::vector<AlignedVector<float>> alpha;
    if (optimise) {
      Descent descent(context, root, plan, context.space32[worker], settings);
      descent.run(make_rows(context.net32, list, first, last, patches), alpha);
    }
    settle(context, root, list, first, last, plan, optimise ? &alpha : nullptr, first,
           context.space64[worker], result.bound);
    if (settings.keep_alpha) {
      for (int v : plan.elementwise) {
        const Lines<float>& lines = root.relax32.lines[v];
        if (!lines.relu) continue;
        const std::size_t n = plan.extent[v].size();
        if (optimise) {
          std::copy(alpha[v].begin(), alpha[v].end(), result.alpha[v].begin() + first * n);
        } else if (plan.extent[v].whole) {
          for (int r = first; r < last; ++r) {
            std::copy(lines.sl.begin(), lines.sl.end(), result.alpha[v].begin() + r * n);
          }
        }
      }
    }
  });
  result.timed_out = late;
  return result;
}

}  // namespace coronet::bound
