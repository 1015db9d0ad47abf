#include "search/attack.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <tuple>
#include <utility>

#include "base/rng.h"
#include "bound/accelerator.h"
#include "bound/swarm.h"
#include "graph/products.h"

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

/// So many of the points that seem to violate are offered at each step, the worst first: if these
/// do not, the others hardly do.
constexpr std::size_t kMostOffers = 16;

/// From so many products for each point on, a GPU makes a step sooner than the workers; it then
/// takes so many times the restarts.
constexpr std::size_t kWorthDevice = 1'000'000;
constexpr int kMoreOnDevice = 4;

bound::Boxes joined(const std::vector<GraphBox>& boxes) {
  bound::Boxes all;
  for (const GraphBox& b : boxes) {
    all.lower.insert(all.lower.end(), b.lower.begin(), b.lower.end());
    all.upper.insert(all.upper.end(), b.upper.begin(), b.upper.end());
  }
  return all;
}

/// Points of one batch and the descent that moves them.
class Batch {
 public:
  Batch(const bound::Context& context, const std::vector<ClauseRows>& clauses,
        const std::vector<GraphBox>& boxes, bound::Swarm& swarm)
      : context_(context),
        clauses_(clauses),
        boxes_(boxes),
        swarm_(swarm),
        inputs_(context.net32.size(0)),
        outputs_(context.net32.size(context.net32.nodes() - 1)) {
    for (const ClauseRows& c : clauses) any_input_ |= !c.input.empty();
  }

  /// Starts first .. last - 1 of all. Neighbours are different clauses, so that every batch tries
  /// all of them.
  void place(std::uint64_t stream, int first, int last) {
    const int clauses = static_cast<int>(clauses_.size());
    const int count = last - first;
    clause_.resize(count);
    restart_.resize(count);
    x_.resize(static_cast<std::size_t>(count) * inputs_);
    std::vector<int> box(count);
    context_.workers.run((count + kStarts - 1) / kStarts, [&](int part, int) {
      for (int p = part * kStarts; p < std::min(count, (part + 1) * kStarts); ++p) {
        clause_[p] = (first + p) % clauses;
        restart_[p] = (first + p) / clauses;
        box[p] = clauses_[clause_[p]].box;
        start(stream * 1000003 + static_cast<std::uint64_t>(first + p), restart_[p], boxes_[box[p]],
              x_.data() + static_cast<std::size_t>(p) * inputs_);
      }
    });
    swarm_.place(x_, box);
  }

  /// Evaluates, offers what violates, and moves. False when the judge is satisfied.
  bool step(double size, bool move, Judge& judge, std::vector<double>& best) {
    const std::size_t n = clause_.size();
    y_.resize(n * outputs_);
    dy_.assign(y_.size(), 0.0F);
    swarm_.evaluate(y_.data(), move);
    if (any_input_) {
      swarm_.read(0, static_cast<int>(n), x_.data());
      more_.assign(x_.size(), 0.0);
    }
    std::vector<Candidate> candidates;
    for (std::size_t p = 0; p < n; ++p) {
      const double worst = aim(p);
      double& least = best[clause_[p]];
      least = std::min(least, worst);
      if (worst <= 0) candidates.push_back({worst, static_cast<int>(p)});
    }
    if (offer(std::move(candidates), judge)) return false;
    if (move) swarm_.descend(dy_.data(), any_input_ ? more_.data() : nullptr, size);
    return true;
  }

 private:
  static constexpr int kStarts = 64;  ///< points of a task

  struct Candidate {
    double value;
    int point;
    friend bool operator<(const Candidate& a, const Candidate& b) {
      return std::tie(a.value, a.point) < std::tie(b.value, b.point);
    }
  };

  void start(std::uint64_t stream, int restart, const GraphBox& box, float* x) const {
    for (int j = 0; j < inputs_; ++j) {
      const double lo = box.lower[j];
      const double hi = box.upper[j];
      double t = 0.5;  // the first start is the centre
      if (restart > 0) t = uniform(context_.options.seed, stream, static_cast<std::uint64_t>(j));
      if (restart % 4 == 3) t = t < 0.5 ? 0 : 1;  // corners
      x[j] = static_cast<float>(lo + t * (hi - lo));
    }
  }

  /// Point p's value, max_i f_i, and what it descends: half of the points the worst constraint, the
  /// others all that are violated, weighted by how much.
  double aim(std::size_t p) {
    const ClauseRows& clause = clauses_[clause_[p]];
    const float* x = x_.data() + p * inputs_;
    const float* y = y_.data() + p * outputs_;
    double worst = -HUGE_VAL;
    int active = -1;
    value_.resize(clause.count);
    for (int i = 0; i < clause.count; ++i) {
      value_[i] = constraint_value(clause, i, x, y, inputs_, outputs_);
      if (!(value_[i] <= worst)) {
        worst = value_[i];
        active = i;
      }
    }
    float* d = dy_.data() + p * outputs_;
    for (int i = 0; i < clause.count; ++i) {
      const bool single = restart_[p] % 2 == 0 || worst <= 0;
      const double w = single ? (i == active ? 1 : 0) : std::max(0.0, value_[i]) / worst;
      if (w == 0) continue;
      const double* c = clause.output.data() + static_cast<std::size_t>(i) * outputs_;
      for (int j = 0; j < outputs_; ++j) d[j] += static_cast<float>(w * c[j]);
    }
    if (!clause.input.empty() && active >= 0) {
      const double* h = clause.input.data() + static_cast<std::size_t>(active) * inputs_;
      std::copy(h, h + inputs_, more_.begin() + static_cast<std::ptrdiff_t>(p * inputs_));
    }
    return worst;
  }

  bool offer(std::vector<Candidate> candidates, Judge& judge) const {
    const std::size_t count = std::min(kMostOffers, candidates.size());
    std::partial_sort(candidates.begin(), candidates.begin() + static_cast<std::ptrdiff_t>(count),
                      candidates.end());
    std::vector<float> x(inputs_);
    for (std::size_t i = 0; i < count; ++i) {
      const int p = candidates[i].point;
      swarm_.read(p, 1, x.data());
      if (judge.offer(clauses_[clause_[p]].clause, x.data())) return true;
    }
    return false;
  }

  const bound::Context& context_;
  const std::vector<ClauseRows>& clauses_;
  const std::vector<GraphBox>& boxes_;
  bound::Swarm& swarm_;
  int inputs_;
  int outputs_;
  bool any_input_ = false;
  std::vector<int> clause_, restart_;
  std::vector<float> x_;  ///< the starts; where constraints have inputs, the points
  std::vector<float> y_, dy_;
  std::vector<double> more_;  ///< the inputs of the constraints that are descended
  std::vector<double> value_;
};

}  // namespace

AttackSettings short_attack(const Options& options, std::size_t clauses) {
  AttackSettings settings;
  settings.restarts = std::clamp<int>(512 / static_cast<int>(clauses), 1, 8);
  settings.steps = std::min(20, options.attack_steps);
  settings.stream = 1;
  return settings;
}

std::int64_t attack(bound::Context& context, const std::vector<ClauseRows>& clauses,
                    const std::vector<GraphBox>& boxes, Judge& judge,
                    const AttackSettings& settings, std::vector<double>& best) {
  const double until = settings.seconds > 0 ? elapsed_seconds() + settings.seconds : HUGE_VAL;
  const auto stop = [&] {
    return context.deadline.passed() || judge.found() || elapsed_seconds() >= until;
  };
  const bound::Boxes all = joined(boxes);
  std::atomic<std::int64_t> evaluated{0};
  /// The starts first .. last - 1.
  const auto descend = [&](bound::Swarm& swarm, int first, int last, std::vector<double>& found) {
    Batch batch(context, clauses, boxes, swarm);
    batch.place(settings.stream, first, last);
    double size = 0.25;
    const double decay = std::pow(0.02, 1.0 / std::max(1, settings.steps));
    for (int t = 0; t <= settings.steps; ++t) {
      if (stop()) return;
      evaluated += last - first;
      if (!batch.step(size, t < settings.steps, judge, found)) return;
      size *= decay;
    }
  };
  const int total = static_cast<int>(clauses.size()) * settings.restarts;
  if (context.device != nullptr && products(context.net32.graph()) >= kWorthDevice) {
    const auto swarm = context.device->swarm(all);
    const int more = total * kMoreOnDevice;
    for (int first = 0; first < more && !stop(); first += swarm->most()) {
      descend(*swarm, first, std::min(more, first + swarm->most()), best);
    }
    return evaluated;
  }
  std::vector<std::vector<double>> found(context.workers.size(),
                                         std::vector<double>(clauses.size(), HUGE_VAL));
  constexpr int kBatch = bound::kSwarmPoints;
  context.workers.run((total + kBatch - 1) / kBatch, [&](int b, int worker) {
    if (stop()) return;
    const auto swarm = bound::make_swarm(context.net32, context.space32[worker], all);
    descend(*swarm, b * kBatch, std::min(total, (b + 1) * kBatch), found[worker]);
  });
  for (const auto& f : found) {
    for (std::size_t k = 0; k < clauses.size(); ++k) best[k] = std::min(best[k], f[k]);
  }
  return evaluated;
}

}  // namespace coronet::search
