#include "search/attack.h"

#include <algorithm>
#include <cmath>

#include "base/rng.h"
#include "search/concrete.h"

namespace coronet::search {

double constraint_value(const ClauseRows& clause, int i, const float* x, const float* y, int inputs,
                        int outputs) {
  double sum = clause.constant[i];
  const double* c = clause.output.data() + static_cast<std::size_t>(i) * outputs;
  for (int j = 0; j < outputs; ++j) sum += c[j] * y[j];
  if (!clause.input.empty()) {
    const double* h = clause.input.data() + static_cast<std::size_t>(i) * inputs;
    for (int j = 0; j < inputs; ++j) sum += h[j] * x[j];
  }
  return sum;
}

namespace {

/// Points of one batch and the descent that moves them.
class Batch {
 public:
  Batch(const bound::Context& context, const std::vector<ClauseRows>& clauses,
        const std::vector<GraphBox>& boxes, bound::Workspace<float>& space)
      : clauses_(clauses),
        boxes_(boxes),
        concrete_(context.net32, space),
        inputs_(context.net32.size(0)),
        outputs_(context.net32.size(context.net32.nodes() - 1)) {}

  void add(int clause, std::uint64_t seed, std::uint64_t stream, int restart) {
    const GraphBox& box = boxes_[clauses_[clause].box];
    clause_.push_back(clause);
    restart_.push_back(restart);
    for (int j = 0; j < inputs_; ++j) {
      const double lo = box.lower[j];
      const double hi = box.upper[j];
      double t = 0.5;  // the first start is the centre
      if (restart > 0) t = uniform(seed, stream, static_cast<std::uint64_t>(j));
      if (restart % 4 == 3) t = t < 0.5 ? 0 : 1;  // corners
      x_.push_back(static_cast<float>(lo + t * (hi - lo)));
    }
  }

  [[nodiscard]] int count() const { return static_cast<int>(clause_.size()); }

  /// Evaluates, offers what violates, and moves. False when the oracle is satisfied.
  bool step(double size, bool move, Oracle& oracle, std::vector<double>& best) {
    const int n = count();
    y_.resize(static_cast<std::size_t>(n) * outputs_);
    dy_.assign(y_.size(), 0.0F);
    dx_.resize(x_.size());
    concrete_.evaluate(n, x_.data(), y_.data(), move);
    std::vector<int> active(n, -1);
    for (int p = 0; p < n; ++p) {
      const ClauseRows& clause = clauses_[clause_[p]];
      const float* x = x_.data() + static_cast<std::size_t>(p) * inputs_;
      const float* y = y_.data() + static_cast<std::size_t>(p) * outputs_;
      double worst = -HUGE_VAL;
      std::vector<double> value(clause.count);
      for (int i = 0; i < clause.count; ++i) {
        value[i] = constraint_value(clause, i, x, y, inputs_, outputs_);
        if (!(value[i] <= worst)) {
          worst = value[i];
          active[p] = i;
        }
      }
      best[clause_[p]] = std::min(best[clause_[p]], worst);
      if (worst <= 0 && oracle.offer(clause.clause, x)) return false;
      // Half of the points descend the worst constraint, the others all that are violated, weighted
      // by how much.
      float* d = dy_.data() + static_cast<std::size_t>(p) * outputs_;
      for (int i = 0; i < clause.count; ++i) {
        const bool single = restart_[p] % 2 == 0 || worst <= 0;
        const double w = single ? (i == active[p] ? 1 : 0) : std::max(0.0, value[i]) / worst;
        if (w == 0) continue;
        const double* c = clause.output.data() + static_cast<std::size_t>(i) * outputs_;
        for (int j = 0; j < outputs_; ++j) d[j] += static_cast<float>(w * c[j]);
      }
    }
    if (!move) return true;
    concrete_.gradient(dy_.data(), dx_.data());
    for (int p = 0; p < n; ++p) {
      const ClauseRows& clause = clauses_[clause_[p]];
      const GraphBox& box = boxes_[clause.box];
      const std::size_t at = static_cast<std::size_t>(p) * inputs_;
      const double* h = clause.input.empty() || active[p] < 0
                            ? nullptr
                            : clause.input.data() + static_cast<std::size_t>(active[p]) * inputs_;
      for (int j = 0; j < inputs_; ++j) {
        const double g = dx_[at + j] + (h != nullptr ? h[j] : 0.0);
        const double width = box.upper[j] - box.lower[j];
        const double moved = x_[at + j] - (g > 0 ? 1.0 : (g < 0 ? -1.0 : 0.0)) * size * width;
        x_[at + j] = static_cast<float>(std::clamp(moved, box.lower[j], box.upper[j]));
      }
    }
    return true;
  }

 private:
  const std::vector<ClauseRows>& clauses_;
  const std::vector<GraphBox>& boxes_;
  Concrete concrete_;
  int inputs_;
  int outputs_;
  std::vector<int> clause_, restart_;
  std::vector<float> x_, y_, dy_, dx_;
};

}  // namespace

void attack(bound::Context& context, const std::vector<ClauseRows>& clauses,
            const std::vector<GraphBox>& boxes, Oracle& oracle, const AttackSettings& settings,
            std::vector<double>& best) {
  const int total = static_cast<int>(clauses.size()) * settings.restarts;
  constexpr int kBatch = 64;
  const double until = settings.seconds > 0 ? elapsed_seconds() + settings.seconds : HUGE_VAL;
  const auto stop = [&] {
    return context.deadline.passed() || oracle.found() || elapsed_seconds() >= until;
  };
  const int batches = (total + kBatch - 1) / kBatch;
  std::vector<std::vector<double>> found(context.workers.size(),
                                         std::vector<double>(clauses.size(), HUGE_VAL));
  context.workers.run(batches, [&](int b, int worker) {
    if (stop()) return;
    Batch batch(context, clauses, boxes, context.space32[worker]);
    // Neighbouring places in a batch are different clauses, so that every batch tries all of them.
    for (int i = b * kBatch; i < std::min(total, (b + 1) * kBatch); ++i) {
      const int restart = i / static_cast<int>(clauses.size());
      batch.add(i % static_cast<int>(clauses.size()), context.options.seed,
                settings.stream * 1000003 + static_cast<std::uint64_t>(i), restart);
    }
    double size = 0.25;
    const double decay = std::pow(0.02, 1.0 / std::max(1, settings.steps));
    for (int t = 0; t <= settings.steps; ++t) {
      if (stop()) return;
      if (!batch.step(size, t < settings.steps, oracle, found[worker])) return;
      size *= decay;
    }
  });
  for (const auto& f : found) {
    for (std::size_t k = 0; k < clauses.size(); ++k) best[k] = std::min(best[k], f[k]);
  }
}

}  // namespace coronet::search
