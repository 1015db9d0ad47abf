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

/// Bytes that one row takes in a batch of numbers of `number` bytes: what pull keeps, what passes;
/// and `slopes` optimised slopes, with the best ones and
/// moments of `moment` bytes.
inline std::size_t row_bytes(const Plan& plan, std::size_t number, std::size_t slopes,
                             std::size_t moment) {
  return number * (plan.kept + plan.passing) + slopes * 2 * (number + moment) + 1;
}

/// Rows of a chunk, so that it stays within the budget and every worker has as many chunks as the
/// others.
inline int chunk_rows(std::size_t bytes, std::size_t budget, int rows, int workers) {
  constexpr int kMost = 512;
  const int fit = static_cast<int>(std::clamp<std::size_t>(budget / bytes, 2, kMost));
  int chunks = (rows + fit - 1) / fit;
  chunks = (chunks + workers - 1) / workers * workers;
  const int even = (rows + chunks - 1) / chunks;
  return std::max(2, even + even % 2);  // pairs stay together
}

/// Bytes of slopes that a descent of so many rows leaves, and of those that settle() has of them.
inline std::size_t found_bytes(int rows, std::size_t slopes) {
  return static_cast<std::size_t>(rows) * slopes * sizeof(float);
}
inline std::size_t settled_bytes(int rows, std::size_t slopes) {
  return static_cast<std::size_t>(rows) * slopes * sizeof(double);
}

/// Slopes of one row that are optimised.
template <class T, class D>
std::size_t slopes_of(const Plan& plan, const Relaxation<T, D>& relaxation) {
  std::size_t sum = 0;
  for (int v : plan.elementwise) {
    if (relaxation.lines[v].relu) sum += relaxation.lines[v].slopes(plan.extent[v]);
  }
  return sum;
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
/// Noting::slight: far more than the rounding of a bound, and so little that no width is larger by
/// 1e-4 of itself in the mean of a network.
inline constexpr float kSlight = 3e-3F;

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
        group_(net.group()),
        pass_(net, relaxation, plan, space),
        counted_(space.ledger(), MemoryClass::kAlpha) {}

  /// Runs it and leaves the best slopes of every row in `best`.
  void run(Rows<float, D>& rows, SlopesOf<D>& best) {
    start(rows, best);
    double lr = settings_.lr;
    for (int t = 0; t < settings_.iterations && rows.count > 0; ++t) {
      if (late()) break;
      const bool last = t + 1 == settings_.iterations;
      pass_.pull(rows, true);
      const kernels::Noting<float> how = noting(t, last);
      device_.note(rows.count, how, standing(rows), pass_.bounds());
      save(rows, best);
      const bool look = !last && (t % D::kLook == 0 || how.check);
      const int leaving = look ? count_leaving(rows.count) : 0;
      if (last || leaving == rows.count) break;
      const Step<float> step = adam_step<float>(t, lr, 0, kMemory);
      pass_.push(rows, &step);
      // A few rows that are done do no harm; taking them out costs a copy.
      if (leaving * 8 > rows.count) take_out(rows);
      lr *= settings_.decay;
    }
    pass_.end();
  }

 private:
  /// Ranks that share the neurons go on together, or not.
  [[nodiscard]] bool late() const {
    const bool passed = deadline_.passed();
    return group_ == nullptr ? passed : group_->agree(passed);
  }

  void start_slopes(Rows<float, D>& rows, SlopesOf<D>& best) {
    using Moment = typename D::template Moment<float>;
    std::size_t bytes = 0;
    rows.alpha.resize(plan_.start + 1);
    best.resize(plan_.start + 1);
    for (int v : plan_.elementwise) {
      const Lines<float, D>& lines = relaxation_.lines[v];
      if (!lines.relu) continue;
      auto& alpha = rows.alpha[v];
      alpha.width = lines.slopes(plan_.extent[v]);
      const std::size_t n = rows.count * alpha.width;
      for (auto* array : {&alpha.value, &best[v]}) device_.reserve(*array, n);
      for (auto* array : {&alpha.m, &alpha.v}) device_.reserve(*array, n);
      bytes += n * (sizeof(float) + 2 * sizeof(Moment));
      device_.start_slopes(rows.set(), nullptr, lines.view(), plan_.extent[v], alpha.value.data());
      device_.zero(alpha.m.data(), n);
      device_.zero(alpha.v.data(), n);
      device_.copy(alpha.value.data(), n, best[v].data());
    }
    counted_.set(bytes);
  }

  void start(Rows<float, D>& rows, SlopesOf<D>& best) {
    start_slopes(rows, best);
    const std::size_t count = rows.count;
    for (auto* array : {&rows.rate, &first_, &best_, &mark_, &saved_}) {
      device_.reserve(*array, count);
    }
    device_.fill(rows.rate.data(), count, 1.0F);
    for (auto* array : {&first_, &best_, &mark_, &saved_}) {
      device_.fill(array->data(), count, -HUGE_VALF);
    }
    device_.reserve(place_, count);
    device_.number(place_.data(), rows.count);
    device_.reserve(save_, count);
    device_.reserve(out_, count);
  }

  void save(const Rows<float, D>& rows, SlopesOf<D>& best) const {
    std::vector<device::Saved<float>> arrays;
    for (int v : plan_.elementwise) {
      if (best[v].empty()) continue;
      arrays.push_back({rows.alpha[v].width, rows.alpha[v].value.data(), best[v].data()});
    }
    device_.save_rows(rows.count, place_.data(), save_.data(), arrays);
  }

  kernels::Standing<float> standing(Rows<float, D>& rows) {
    return {place_.data(), rows.rate.data(), first_.data(), best_.data(),
            mark_.data(),  saved_.data(),    save_.data(),  out_.data()};
  }

  [[nodiscard]] kernels::Noting<float> noting(int t, bool last) const {
    kernels::Noting<float> how;
    how.first = t == 0;
    how.settled = t >= kSettled;
    how.shorter = kShorter;
    how.slight = kSlight;
    how.saving = last || t >= std::min(kSettled, settings_.iterations / 2);
    how.stop_positive = settings_.stop_positive;
    how.pairs = settings_.pairs;
    how.check = settings_.converged > 0 && t % 10 == 9;
    how.converged = settings_.converged;
    return how;
  }

  int count_leaving(int rows) {
    leaving_.resize(rows);
    device_.read(out_.data(), rows, leaving_.data());
    return static_cast<int>(std::count(leaving_.begin(), leaving_.end(), 1));
  }

  void take_out(Rows<float, D>& rows) {
    for (char& c : leaving_) c = c ? 0 : 1;
    const typename D::Kept keep = device_.kept(leaving_);
    device_.keep_rows(place_, 1, keep);
    for (auto* array : {&first_, &best_, &mark_, &saved_}) device_.keep_rows(*array, 1, keep);
    rows.compact(device_, leaving_, plan_);
  }

  template <class T>
  using Array = typename D::template Array<T>;

  const Relaxation<float, D>& relaxation_;
  const Plan& plan_;
  const Deadline& deadline_;
  D device_;
  const OptimiseSettings& settings_;
  TensorGroup* group_;
  Pass<float, D> pass_;
  Counted counted_;  // the rows' slopes and moments; the best ones are the caller's
  Array<float> first_, best_, mark_, saved_;  // kernels/noting.h, with the rows' rates
  Array<int> place_;
  Array<char> save_, out_;
  std::vector<char> leaving_;  // the host's copy of out_
};

/// Gives rows the slopes that a descent found for a batch in which the first of them was row
/// `first`.
template <class T, class D>
void take_slopes(const D& device, const Plan& plan, const Relaxation<T, D>& relaxation,
                 const SlopesOf<D>& found, int first, Rows<T, D>& rows) {
  rows.alpha.resize(plan.start + 1);
  for (int v : plan.elementwise) {
    if (found[v].empty()) continue;
    const std::size_t n = relaxation.lines[v].slopes(plan.extent[v]);
    rows.alpha[v].width = n;
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
