// The descent of a batch of rows in float32, and the pull in double that settles what it found, for
// the files that instantiate them for a device.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/resources.h"
#include "bound/optimise.h"
#include "bound/pass.h"

namespace coronet::bound {

/// Bytes that one row takes in a batch of numbers of `number` bytes: state, what pull keeps, what
/// passes.
inline std::size_t row_bytes(const Plan& plan, std::size_t number, bool optimised) {
  return number * (plan.kept * (optimised ? 5 : 1) + plan.passing) + 1;
}

/// Optimised slopes of a batch of rows: [nodes], each [rows, extent] or empty.
template <class D>
using SlopesOf = std::vector<typename D::template Array<float>>;

/// A bound is concave and piecewise linear in the slopes: its gradient jumps, and the old ones say
/// little of the next. Half as many iterations as with Adam's usual memory reach the same bound.
inline constexpr Memory kMemory{0.6, 0.6};

/// The steps of a row become shorter by this factor whenever one gained nothing, from iteration
/// kSettled on: before, bounds often fall on the way to better ones.
inline constexpr float kShorter = 0.9F;
inline constexpr int kSettled = 10;

/// One chunk's descent in float32.
template <class D>
class Descent {
 public:
  Descent(const Network<float>& net, const Relaxation<float, D>& relaxation, const Plan& plan,
          const Deadline& deadline, Workspace<float, D>& space, const OptimiseSettings& settings,
          D device)
      : relaxation_(relaxation),
        plan_(plan),
        deadline_(deadline),
        device_(device),
        settings_(settings),
        pass_(net, relaxation, plan, space) {}

  /// Runs it and leaves the best slopes of every row in `best`.
  void run(Rows<float, D>& rows, SlopesOf<D>& best) {
    const int total = rows.count;
    rows.id.resize(total);
    for (int r = 0; r < total; ++r) rows.id[r] = r;
    rows.rate.assign(total, 1.0F);
    start_slopes(rows, best);
    best_.assign(total, -HUGE_VALF);
    mark_.assign(total, -HUGE_VALF);
    saved_.assign(total, -HUGE_VALF);
    double lr = settings_.lr;
    for (int t = 0; t < settings_.iterations && rows.count > 0; ++t) {
      if (deadline_.passed()) break;
      const bool last = t + 1 == settings_.iterations;
      pass_.pull(rows, true, bound_);
      if (t == 0) first_ = bound_;
      note(rows, t, last);
      save(rows, best);
      if (last || leaving_ == rows.count) break;
      const Step<float> step = adam_step<float>(t, lr, 0, kMemory);
      pass_.push(rows, &step);
      // A few rows that are done do no harm; taking them out costs a copy.
      if (leaving_ * 8 > rows.count) take_out(rows);
      lr *= settings_.decay;
    }
    pass_.end();
  }

 private:
  void start_slopes(Rows<float, D>& rows, SlopesOf<D>& best) {
    rows.alpha.resize(plan_.start + 1);
    best.resize(plan_.start + 1);
    for (int v : plan_.elementwise) {
      const Lines<float, D>& lines = relaxation_.lines[v];
      if (!lines.relu) continue;
      const std::size_t n = static_cast<std::size_t>(rows.count) * plan_.extent[v].size();
      auto& alpha = rows.alpha[v];
      for (auto* array : {&alpha.value, &alpha.m, &alpha.v, &best[v]}) device_.reserve(*array, n);
      device_.start_slopes(rows.set(), nullptr, lines.view(), plan_.extent[v], alpha.value.data());
      device_.zero(alpha.m.data(), n);
      device_.zero(alpha.v.data(), n);
      device_.copy(alpha.value.data(), n, best[v].data());
    }
  }

  void save(const Rows<float, D>& rows, SlopesOf<D>& best) const {
    if (std::none_of(save_.begin(), save_.end(), [](char c) { return c != 0; })) return;
    std::vector<device::Saved<float>> arrays;
    for (int v : plan_.elementwise) {
      if (best[v].empty()) continue;
      arrays.push_back({static_cast<std::size_t>(plan_.extent[v].size()),
                        rows.alpha[v].value.data(), best[v].data()});
    }
    device_.save_rows(rows.id, save_, arrays);
  }

  /// Notes the bounds of iteration t, and marks the rows whose slopes count and those that are
  /// done.
  void note(Rows<float, D>& rows, int t, bool last) {
    const bool saving = last || t >= std::min(kSettled, settings_.iterations / 2);
    out_.assign(rows.count, 0);
    save_.assign(rows.count, 0);
    const auto mark_saved = [&](int r) {
      saved_[rows.id[r]] = bound_[r];
      save_[r] = 1;
    };
    for (int r = 0; r < rows.count; ++r) {
      const int id = rows.id[r];
      const bool positive = settings_.stop_positive && bound_[r] > 0;
      if (t >= kSettled && !(bound_[r] > best_[id])) rows.rate[r] *= kShorter;
      best_[id] = std::max(best_[id], bound_[r]);
      if (positive) {
        mark_saved(r);
        out_[r] = 1;
      } else if (saving && bound_[r] > saved_[id]) {
        mark_saved(r);
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
        const float gained = std::min(best_[id] - first_[id], std::fabs(best_[id]));
        if (best_[id] - mark_[id] <= settings_.converged * gained) out_[r] = 1;
        mark_[id] = best_[id];
      }
    }
    leaving_ = static_cast<int>(std::count(out_.begin(), out_.end(), 1));
  }

  void take_out(Rows<float, D>& rows) {
    for (char& c : out_) c = c ? 0 : 1;
    rows.compact(device_, out_, plan_);
  }

  const Relaxation<float, D>& relaxation_;
  const Plan& plan_;
  const Deadline& deadline_;
  D device_;
  const OptimiseSettings& settings_;
  Pass<float, D> pass_;
  std::vector<float> bound_;                        // [rows of the batch]
  std::vector<float> first_, best_, mark_, saved_;  // by the row's place in the chunk
  std::vector<char> out_, save_;  // rows of the batch that are done; whose slopes count
  int leaving_ = 0;
};

/// Gives rows the slopes that a descent found for a batch in which the first of them was row
/// `first`.
template <class T, class D>
void take_slopes(const D& device, const Plan& plan, const SlopesOf<D>& found, int first,
                 Rows<T, D>& rows) {
  rows.alpha.resize(plan.start + 1);
  for (int v : plan.elementwise) {
    if (found[v].empty()) continue;
    const std::size_t n = plan.extent[v].size();
    device.reserve(rows.alpha[v].value, rows.count * n);
    device.convert(found[v].data() + first * n, rows.count * n, rows.alpha[v].value.data());
  }
}

/// bound[r] = the bound of row r that counts: pulled in double with the slopes that it has, less
/// its own rounding.
template <class D>
void settle(const Network<double>& net, const Relaxation<double, D>& relaxation,
            const Magnitudes<D>& magnitude, const Plan& plan, const Rows<double, D>& rows,
            Workspace<double, D>& space, double* bound) {
  Pass<double, D> pass(net, relaxation, plan, space);
  std::vector<double> value;
  std::vector<double> error;
  pass.pull(rows, false, value, &magnitude, &error);
  for (int r = 0; r < rows.count; ++r) {
    const double b = down(value[r] - error[r]);
    bound[r] = std::isfinite(b) ? b : -HUGE_VAL;
  }
}

}  // namespace coronet::bound
