#include "bound/optimise.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <memory>

#include "bound/accelerator.h"
#include "bound/descent.h"
#include "bound/thinned.h"

namespace coronet::bound {

namespace {

/// So many rows times iterations repay the writing out of a network.
constexpr std::int64_t kLeastPasses = 2000;

/// Rows of a chunk, so that it stays within the budget and every worker has as many chunks as the
/// others.
int chunk_rows(std::size_t bytes, std::size_t budget, int rows, int workers, int most) {
  const int fit = static_cast<int>(std::clamp<std::size_t>(budget / bytes, 2, most));
  int chunks = (rows + fit - 1) / fit;
  chunks = (chunks + workers - 1) / workers * workers;
  const int even = (rows + chunks - 1) / chunks;
  return std::max(2, even + even % 2);  // pairs stay together
}

}  // namespace

std::vector<int> neurons_of(const RowList& list) {
  std::vector<int> asked = list.neuron;
  std::sort(asked.begin(), asked.end());
  asked.erase(std::unique(asked.begin(), asked.end()), asked.end());
  return asked;
}

RowList renumbered(const RowList& list, const std::vector<int>& kept) {
  RowList to = list;
  for (int& j : to.neuron) {
    j = static_cast<int>(std::lower_bound(kept.begin(), kept.end(), j) - kept.begin());
  }
  return to;
}

bool usable_patches(const RowList& list, const Shape& shape) {
  return !list.neuron.empty() && shape.image() && list.input.empty();
}

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
  const int total = list.count(context.net32.size(list.node));
  if (context.for_device(total, list.node)) {
    return context.device->bound(root, list, settings, context.deadline);
  }
  RowBounds result;
  result.bound.assign(total, -HUGE_VAL);
  if (total == 0) return result;
  const bool patches = usable_patches(list, context.net32.shape(list.node));
  const Plan whole_plan = make_plan(context.net32, list.node, patches);
  bool any_alpha = false;
  for (int v : whole_plan.elementwise) any_alpha |= root.relax32.lines[v].relu;
  const bool optimise = settings.iterations > 0 && any_alpha;
  const bool worth = static_cast<std::int64_t>(total) * settings.iterations >= kLeastPasses;
  const std::unique_ptr<Thinned> thinned =
      optimise && worth && !settings.keep_alpha
          ? Thinned::make(context.net32, root, list, whole_plan)
          : nullptr;
  const Network<float>& net = thinned ? thinned->net() : context.net32;
  const Relaxation<float>& relaxation = thinned ? thinned->relaxation() : root.relax32;
  const RowList& rows = thinned ? thinned->list() : list;
  const Plan& plan = thinned ? thinned->plan() : whole_plan;
  // The network written out takes memory too, and its blocks are small: fewer rows do as well.
  const double budget_mib = context.options.chunk_mib / (thinned ? 2 : 1);
  const std::size_t budget = static_cast<std::size_t>(budget_mib * 1048576.0);
  const int rows_at_once = chunk_rows(
      row_bytes(plan, sizeof(float), optimise ? slopes_of(plan, relaxation) : 0, sizeof(float)),
      budget, total, context.workers.size(), 512);
  const int chunks = (total + rows_at_once - 1) / rows_at_once;
  const Plan plan64 = make_plan(context.net64, list.node, patches);
  const int settled_at_once =
      chunk_rows(row_bytes(plan64, sizeof(double), 0, 0), budget, rows_at_once, 1, 512);
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
    SlopesOf<device::Cpu> found;
    if (optimise) {
      Descent<device::Cpu> descent(net, relaxation, plan, context.deadline, context.space32[worker],
                                   settings, device::Cpu());
      Rows<float> batch = make_rows(net, rows, first, last, !plan.extent[plan.start].whole);
      descent.run(batch, found);
    }
    for (int at = first; at < last; at += settled_at_once) {
      const int end = std::min(last, at + settled_at_once);
      Rows<double> batch = make_rows(context.net64, list, at, end, patches);
      if (thinned) {
        batch.alpha.resize(list.node + 1);
        for (int v : plan64.elementwise) {
          if (found[v].empty()) continue;
          const AlignedVector<float> slopes = thinned->widen(
              v, found[v], at - first, plan64.extent[v], batch.set(), root.relax32.lines[v]);
          batch.alpha[v].value.assign(slopes.begin(), slopes.end());
        }
      } else if (optimise) {
        take_slopes(device::Cpu(), plan64, root.relax64, found, at - first, batch);
      }
      settle(context.net64, root.relax64, root.magnitude, plan64, batch, context.space64[worker],
             result.bound.data() + at);
    }
    if (settings.keep_alpha) {
      for (int v : plan.elementwise) {
        const Lines<float>& lines = root.relax32.lines[v];
        if (!lines.relu) continue;
        const std::size_t n = plan.extent[v].size();
        if (optimise) {
          std::copy(found[v].begin(), found[v].end(), result.alpha[v].begin() + first * n);
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
