#include "bound/row_task.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "bound/descent.h"

namespace coronet::bound {

RowTask::RowTask(Context& context, const Root& root, const RowList& list,
                 const OptimiseSettings& settings, const Deadline& deadline)
    : context_(context),
      root_(root),
      list_(list),
      settings_(settings),
      deadline_(deadline),
      total_(list.count(context.net32.size(list.node))),
      patches_(usable_patches(list, context.net32.shape(list.node))),
      whole_plan_(make_plan(context.net32, list.node, patches_)),
      plan64_(make_plan(context.net64, list.node, patches_)) {
  const bool any_alpha = std::any_of(whole_plan_.elementwise.begin(), whole_plan_.elementwise.end(),
                                     [&](int v) { return root.relax32.lines[v].relu; });
  optimise_ = settings.iterations > 0 && any_alpha;
  const bool worth =
      static_cast<std::int64_t>(total_) * settings.iterations >= Thinned::kLeastPasses;
  if (optimise_ && worth && !settings.keep_alpha) {
    thinned_ = Thinned::make(context.net32, root, list, whole_plan_);
  }
  if (thinned_) {
    written_out_ = Counted(context.ledger, MemoryClass::kNetworks, thinned_->bytes());
  }
  const double budget_mib = context.options.chunk_mib * (thinned_ ? Thinned::kRowsShare : 1);
  budget_ = static_cast<std::size_t>(budget_mib * 1048576.0);
}

int RowTask::part(int workers) const {
  const std::size_t slopes = optimise_ ? slopes_of(plan(), relaxation()) : 0;
  return chunk_rows(row_bytes(plan(), sizeof(float), slopes, sizeof(float)), budget_, total_,
                    workers);
}

RowBounds RowTask::room(int count) const {
  RowBounds result;
  result.bound.assign(count, -HUGE_VAL);
  if (!settings_.keep_alpha) return result;
  result.alpha.resize(list_.node + 1);
  for (int v : whole_plan_.elementwise) {
    if (!root_.relax32.lines[v].relu) continue;
    // Slopes of zero, should time run out before there are any: they are as sound as all others.
    result.alpha[v].assign(static_cast<std::size_t>(count) * whole_plan_.extent[v].size(), 0.0F);
  }
  return result;
}

void RowTask::bound(int first, int last, int worker, RowBounds& result, int origin) {
  SlopesOf<device::Cpu> found;
  MemoryLedger* const ledger = context_.space32[worker].ledger();
  const Counted best(ledger, MemoryClass::kAlpha,
                     optimise_ ? found_bytes(last - first, slopes_of(plan(), relaxation())) : 0);
  if (optimise_) {
    const Network<float>& net = thinned_ ? thinned_->net() : context_.net32;
    Descent<device::Cpu> descent(net, relaxation(), plan(), deadline_, context_.space32[worker],
                                 settings_, device::Cpu());
    Rows<float> batch = make_rows(net, thinned_ ? thinned_->list() : list_, first, last,
                                  !plan().extent[plan().start].whole);
    descent.run(batch, found);
  }
  // Ranks share the neurons because memory is short: what is in float32 makes room for what is in
  // double, and the other way round.
  const bool short_of_memory = context_.net64.group() != nullptr;
  if (short_of_memory) context_.space32[worker].clear();
  const int settled_at_once =
      chunk_rows(row_bytes(plan64_, sizeof(double), 0, 0), budget_, last - first, 1);
  for (int at = first; at < last; at += settled_at_once) {
    const int end = std::min(last, at + settled_at_once);
    Rows<double> batch = make_rows(context_.net64, list_, at, end, patches_);
    const Counted slopes64(
        ledger, MemoryClass::kAlpha,
        optimise_ ? settled_bytes(end - at, slopes_of(plan64_, root_.relax64)) : 0);
    if (thinned_) {
      batch.alpha.resize(list_.node + 1);
      for (int v : plan64_.elementwise) {
        if (found[v].empty()) continue;
        batch.alpha[v].value = thinned_->widen<double>(v, found[v], at - first, plan64_.extent[v],
                                                       batch.set(), root_.relax32.lines[v]);
      }
    } else if (optimise_) {
      take_slopes(device::Cpu(), plan64_, root_.relax64, found, at - first, batch);
    }
    settle(context_.net64, root_.relax64, root_.magnitude, plan64_, batch, context_.space64[worker],
           result.bound.data() + (at - origin));
  }
  if (short_of_memory) context_.space64[worker].clear();
  if (!settings_.keep_alpha) return;
  for (int v : whole_plan_.elementwise) {
    const Lines<float>& lines = root_.relax32.lines[v];
    if (!lines.relu) continue;
    const std::size_t n = whole_plan_.extent[v].size();
    const auto to = result.alpha[v].begin() + static_cast<std::ptrdiff_t>((first - origin) * n);
    if (optimise_) {
      std::copy(found[v].begin(), found[v].end(), to);
    } else if (whole_plan_.extent[v].whole) {
      for (int r = 0; r < last - first; ++r) {
        std::copy(lines.sl.begin(), lines.sl.end(), to + static_cast<std::ptrdiff_t>(r * n));
      }
    }
  }
}

}  // namespace coronet::bound
