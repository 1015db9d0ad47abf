#include "search/input_rounds.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <set>
#include <utility>

#include "bound/concrete.h"
#include "bound/interval.h"
#include "bound/root.h"
#include "search/attack.h"
#include "search/contract.h"
#include "search/planes.h"

namespace coronet::search {

namespace {

using bound::Bounds;
using bound::Pass;
using bound::Plan;
using bound::Relaxation;
using bound::Rows;

struct ChunkResult {
  std::vector<BoxDomain> open;
  std::int64_t bounded = 0;
};

/// [inputs] the widest of the boxes.
std::vector<double> widths(const std::vector<GraphBox>& boxes, int inputs) {
  std::vector<double> width(inputs, 0.0);
  for (const GraphBox& b : boxes) {
    for (int j = 0; j < inputs; ++j) width[j] = std::max(width[j], b.upper[j] - b.lower[j]);
  }
  return width;
}

}  // namespace

class InputRounds::Splitter {
 public:
  Splitter(bound::Context& context, const std::vector<ClauseRows>& clauses,
           std::vector<double> root_width, Judge& judge, const Deadline& deadline)
      : context_(context),
        clauses_(clauses),
        judge_(judge),
        deadline_(deadline),
        net_(context.net64),
        output_(net_.nodes() - 1),
        outputs_(net_.size(output_)),
        inputs_(net_.size(0)),
        slope_(bound::slope_of(context.options.slope)),
        root_width_(std::move(root_width)),
        contractor_(net_) {
    for (int v = 0; v < net_.nodes(); ++v) plans_.push_back(make_plan(net_, v, false));
    for (const ClauseRows& c : clauses) {
      rows_of_.resize(std::max<std::size_t>(rows_of_.size(), c.clause + 1), nullptr);
      rows_of_[c.clause] = &c;
    }
    feeds_.assign(net_.nodes(), 0);
    for (int v = 1; v < net_.nodes(); ++v) {
      if (net_.elementwise(v)) feeds_[net_.inputs(v)[0]] = 1;
    }
  }

  void process(const std::vector<BoxDomain>& domains, int first, int last, int worker,
               ChunkResult& result) {
    const int count = last - first;
    Bounds bounds(net_.graph(), count);
    Relaxation<double> relax;
    relax.lines.resize(net_.nodes());
    for (int i = first; i < last; ++i) {
      bounds.lo[0].insert(bounds.lo[0].end(), domains[i].lower.begin(), domains[i].lower.end());
      bounds.hi[0].insert(bounds.hi[0].end(), domains[i].upper.begin(), domains[i].upper.end());
    }
    relax.lo.assign(bounds.lo[0].begin(), bounds.lo[0].end());
    relax.hi.assign(bounds.hi[0].begin(), bounds.hi[0].end());
    bound::Magnitudes<> magnitude;
    magnitude.value.resize(net_.nodes());
    magnitude.affine.resize(net_.nodes());
    add_magnitudes(net_, bounds, 0, magnitude);
    for (int v = 1; v < net_.nodes(); ++v) {
      if (deadline_.passed() || judge_.found()) {
        result.open.assign(domains.begin() + first, domains.begin() + last);
        return;
      }
      interval_node(net_, v, bounds);
      add_magnitudes(net_, bounds, v, magnitude);
      if (net_.elementwise(v)) {
        const int u = net_.inputs(v)[0];
        relax.lines[v] =
            bound::make_lines<double>(net_.graph().nodes[v].op, net_.size(v), count,
                                      bounds.lo[u].data(), bounds.hi[u].data(), slope_);
      } else if (feeds_[v] && !plans_[v].elementwise.empty()) {
        tighten(v, count, relax, magnitude, bounds, worker);
      }
    }
    result.bounded = count;
    decide(domains, first, count, relax, magnitude, bounds, worker, result);
  }

 private:
  /// Rows of both signs for the neurons of node v that are open in their domain.
  void tighten(int v, int count, const Relaxation<double>& relax,
               const bound::Magnitudes<>& magnitude, Bounds& bounds, int worker) {
    const int n = net_.size(v);
    constexpr int kAtOnce = 2048;
    Rows<double> rows;
    rows.selection = true;
    const auto flush = [&] {
      if (rows.neuron.empty()) return;
      rows.count = static_cast<int>(rows.neuron.size());
      Pass<double> pass(net_, relax, plans_[v], context_.space64[worker]);
      std::vector<double> value;
      std::vector<double> error;
      pass.pull(rows, false, value, &magnitude, &error);
      for (int r = 0; r < rows.count; ++r) {
        const std::size_t at = static_cast<std::size_t>(rows.domain[r]) * n + rows.neuron[r];
        const double b = bound::down(value[r] - error[r]);
        if (!std::isfinite(b)) continue;
        double& lo = bounds.lo[v][at];
        double& hi = bounds.hi[v][at];
        if (rows.sign[r] > 0) {
          if (b <= hi) lo = std::max(lo, b);
        } else {
          if (-b >= lo) hi = std::min(hi, -b);
        }
      }
      rows.neuron.clear();
      rows.sign.clear();
      rows.domain.clear();
    };
    for (int d = 0; d < count; ++d) {
      for (int j = 0; j < n; ++j) {
        const std::size_t at = static_cast<std::size_t>(d) * n + j;
        if (bounds.lo[v][at] >= 0 || bounds.hi[v][at] <= 0) continue;
        for (const double sign : {1.0, -1.0}) {
          rows.neuron.push_back(j);
          rows.sign.push_back(sign);
          rows.domain.push_back(d);
        }
      }
      if (static_cast<int>(rows.neuron.size()) >= kAtOnce) flush();
    }
    flush();
  }

  /// Bounds the constraints of the open clauses of every domain, drops what is refuted, halves the
  /// rest.
  void decide(const std::vector<BoxDomain>& domains, int first, int count,
              const Relaxation<double>& relax, const bound::Magnitudes<>& magnitude, Bounds& bounds,
              int worker, ChunkResult& result) {
    Rows<double> rows;
    bool any_input = false;
    for (const ClauseRows& c : clauses_) any_input |= !c.input.empty();
    for (int d = 0; d < count; ++d) {
      for (int k : domains[first + d].clauses) {
        const ClauseRows& c = rows_of(k);
        for (int i = 0; i < c.count; ++i) rows.domain.push_back(d);
        rows.dense.insert(rows.dense.end(), c.output.begin(), c.output.end());
        rows.constant.insert(rows.constant.end(), c.constant.begin(), c.constant.end());
        if (any_input && c.input.empty()) {
          rows.input.resize(rows.input.size() + static_cast<std::size_t>(c.count) * inputs_, 0.0);
        } else if (any_input) {
          rows.input.insert(rows.input.end(), c.input.begin(), c.input.end());
        }
      }
    }
    rows.count = static_cast<int>(rows.domain.size());
    Pass<double> pass(net_, relax, plans_[output_], context_.space64[worker]);
    std::vector<double> value;
    std::vector<double> error;
    pass.pull(rows, true, value, &magnitude, &error);

    int r = 0;
    std::vector<float> candidates;
    std::vector<int> candidate_clause;
    for (int d = 0; d < count; ++d) {
      const BoxDomain& from = domains[first + d];
      BoxDomain left;
      std::vector<double> score(inputs_, 0.0);
      std::vector<double> smear(inputs_, 0.0);
      std::vector<Plane> planes;  // of the last open clause
      for (int k : from.clauses) {
        const ClauseRows& c = rows_of(k);
        bool refuted = false;
        double best = -HUGE_VAL;
        int best_row = -1;
        planes.clear();
        for (int i = 0; i < c.count; ++i, ++r) {
          const double b = bound::down(value[r] - error[r]);
          refuted |= std::isfinite(b) && refutes(b, c.strict[i]);
          if (best_row < 0 || b > best) {
            best = b;
            best_row = r;
          }
          if (std::isfinite(b)) {
            planes.push_back(
                make_plane(pass.input_a(r), value[r], error[r], from.lower, from.upper));
          }
        }
        if (refuted || contradict(planes, from.lower, from.upper)) continue;
        left.clauses.push_back(k);
        left.bound = left.clauses.size() == 1 ? best : std::min(left.bound, best);
        if (best_row < 0) continue;
        for (int row = r - c.count; row < r; ++row) add_smear(pass, row, d, bounds, from, smear);
        const double* a = pass.input_a(best_row);
        for (int j = 0; j < inputs_; ++j) {
          score[j] += std::fabs(a[j]) * (from.upper[j] - from.lower[j]);
        }
        if (candidate_clause.size() < 64) {
          for (int j = 0; j < inputs_; ++j) {
            candidates.push_back(static_cast<float>(a[j] > 0 ? from.lower[j]
                                                    : a[j] < 0
                                                        ? from.upper[j]
                                                        : (from.lower[j] + from.upper[j]) / 2));
          }
          candidate_clause.push_back(k);
        }
      }
      if (left.clauses.empty()) continue;
      BoxDomain box{from.lower, from.upper, {}, 0};
      // Every point that violates the one open clause lies on the near side of all its planes: the
      // box shrinks to that.
      if (left.clauses.size() == 1 && left.clauses[0] == from.clauses.back()) {
        if (!clip(planes, box.lower, box.upper)) continue;
        if (contractor_.useful()) {
          double* lo = bounds.lo[0].data() + static_cast<std::size_t>(d) * inputs_;
          double* hi = bounds.hi[0].data() + static_cast<std::size_t>(d) * inputs_;
          std::copy(box.lower.begin(), box.lower.end(), lo);
          std::copy(box.upper.begin(), box.upper.end(), hi);
          if (!contractor_.contract(rows_of(left.clauses[0]), d, bounds)) continue;
          box.lower.assign(lo, lo + inputs_);
          box.upper.assign(hi, hi + inputs_);
        }
      }
      halve(box, left, score, smear, result);
    }
    try_points(candidates, candidate_clause, worker);
  }

  [[nodiscard]] const ClauseRows& rows_of(int clause) const { return *rows_of_[clause]; }

  [[nodiscard]] double relative_width(const BoxDomain& box, int j) const {
    return root_width_[j] > 0 ? (box.upper[j] - box.lower[j]) / root_width_[j] : 0;
  }

  /// What the relaxations of the first layer's unstable neurons cost the row, dealt to the inputs
  /// that make them unstable.
  void add_smear(const Pass<double>& pass, int row, int d, const Bounds& bounds,
                 const BoxDomain& from, std::vector<double>& smear) const {
    std::vector<double> own(inputs_, 0.0);
    for (int v : plans_[output_].elementwise) {
      const int u = net_.inputs(v)[0];
      const std::vector<double>& w = contractor_.rows(u);
      if (w.empty() || net_.inputs(u)[0] != 0) continue;
      const double* mu = pass.kept(v, row);
      const int n = net_.size(v);
      for (int j = 0; j < n; ++j) {
        const double lo = bounds.lo[u][static_cast<std::size_t>(d) * n + j];
        const double hi = bounds.hi[u][static_cast<std::size_t>(d) * n + j];
        if (!(lo < 0 && hi > 0) || mu[j] == 0) continue;
        const double cost = std::fabs(mu[j]) * (-lo * hi / (hi - lo));
        const double* wj = w.data() + static_cast<std::size_t>(j) * inputs_;
        for (int i = 0; i < inputs_; ++i) own[i] += cost * std::fabs(wj[i]);
      }
    }
    double top = 0;
    for (int i = 0; i < inputs_; ++i) {
      own[i] *= from.upper[i] - from.lower[i];
      top = std::max(top, own[i]);
    }
    if (!(top > 0) || !std::isfinite(top)) return;
    for (int i = 0; i < inputs_; ++i) smear[i] += own[i] / top;
  }

  void halve(const BoxDomain& from, BoxDomain& left, const std::vector<double>& score,
             const std::vector<double>& smear, ChunkResult& result) {
    int at = -1;
    double best = -1;
    double top = 0;
    double widest = 0;
    double smeared = 1e-300;
    for (int j = 0; j < inputs_; ++j) {
      if (std::isfinite(score[j])) top = std::max(top, score[j]);
      smeared = std::max(smeared, smear[j]);
      widest = std::max(widest, relative_width(from, j));
    }
    for (int j = 0; j < inputs_; ++j) {
      const double width = from.upper[j] - from.lower[j];
      const double middle = from.lower[j] + width / 2;
      if (!(middle > from.lower[j] && middle < from.upper[j])) continue;
      // The planes' slope is not all: a dimension in which the box is still wide matters through
      // the relaxations of the neurons. So a part of the score is the width itself, against the
      // root's.
      const double s =
          (std::isfinite(score[j]) ? score[j] : 0) +
          context_.options.width_share * (top + 1e-300) * relative_width(from, j) / widest +
          context_.options.smear_share * (top + 1e-300) * smear[j] / smeared;
      if (s > best) {
        best = s;
        at = j;
      }
    }
    if (at < 0) {  // a single point that rounding leaves open
      left.lower = from.lower;
      left.upper = from.upper;
      stuck_ = true;
      result.open.push_back(std::move(left));
      return;
    }
    const double middle = from.lower[at] + (from.upper[at] - from.lower[at]) / 2;
    BoxDomain right = left;
    left.lower = from.lower;
    left.upper = from.upper;
    right.lower = from.lower;
    right.upper = from.upper;
    left.upper[at] = middle;
    right.lower[at] = middle;
    result.open.push_back(std::move(left));
    result.open.push_back(std::move(right));
  }

  void try_points(const std::vector<float>& x, const std::vector<int>& clause, int worker) {
    const int n = static_cast<int>(clause.size());
    if (n == 0 || !context_.options.attack) return;
    std::vector<float> y(static_cast<std::size_t>(n) * outputs_);
    bound::Concrete concrete(context_.net32, context_.space32[worker]);
    concrete.evaluate(n, x.data(), y.data(), false);
    for (int i = 0; i < n; ++i) {
      const ClauseRows& c = rows_of(clause[i]);
      const float* xi = x.data() + static_cast<std::size_t>(i) * inputs_;
      bool violated = true;
      for (int k = 0; k < c.count && violated; ++k) {
        violated = constraint_value(c, k, xi, y.data() + static_cast<std::size_t>(i) * outputs_,
                                    inputs_, outputs_) <= 0;
      }
      if (violated && judge_.offer(c.clause, xi)) return;
    }
  }

 public:
  [[nodiscard]] bool stuck() const { return stuck_; }

 private:
  bound::Context& context_;
  const std::vector<ClauseRows>& clauses_;
  std::vector<const ClauseRows*> rows_of_;  ///< [clause of the property] or null
  Judge& judge_;
  const Deadline& deadline_;
  const bound::Network<double>& net_;
  int output_, outputs_, inputs_;
  bound::Slope slope_;
  std::vector<double> root_width_;  ///< [inputs] the widest of the boxes
  Contractor contractor_;
  std::vector<Plan> plans_;
  std::vector<char> feeds_;
  std::atomic<bool> stuck_{false};
};

InputRounds::InputRounds(bound::Context& context, const std::vector<ClauseRows>& clauses,
                         const std::vector<GraphBox>& boxes, InputTree& tree, Judge& judge,
                         const Deadline& deadline)
    : Rounds(tree.open),
      context_(context),
      splitter_(std::make_unique<Splitter>(context, clauses, widths(boxes, context.net64.size(0)),
                                           judge, deadline)) {
  std::size_t widest = 0;
  for (int v = 0; v < context.net64.nodes(); ++v) {
    widest = std::max<std::size_t>(widest, context.net64.size(v));
  }
  const std::size_t budget = static_cast<std::size_t>(context.options.chunk_mib * 1048576.0);
  const int chunk_by_neurons = static_cast<int>(
      std::clamp<std::size_t>(budget / (sizeof(double) * 16 * widest * context.net64.nodes()), 1,
                              std::min(128, std::max(1, context.options.batch))));
  // Each open clause of a domain is rows of its own.
  std::set<int> asked;
  std::size_t constraints = 1;
  for (const ClauseRows& c : clauses) {
    asked.insert(c.box);
    constraints += c.count;
  }
  chunk_ = std::max<int>(
      1, std::min<int>(chunk_by_neurons, static_cast<int>(16384 * asked.size() / constraints)));
}

InputRounds::~InputRounds() = default;

void InputRounds::round() {
  const int workers = context_.workers.size();
  const std::vector<BoxDomain> round = take(static_cast<std::size_t>(workers) * chunk_ * 4);
  const int taken = static_cast<int>(round.size());
  const int tasks = taken <= workers * 4 ? std::min(taken, workers) : (taken + chunk_ - 1) / chunk_;
  std::vector<ChunkResult> results(tasks);
  context_.workers.run(tasks, [&](int task, int worker) {
    const int first = static_cast<int>(static_cast<std::int64_t>(taken) * task / tasks);
    const int last = static_cast<int>(static_cast<std::int64_t>(taken) * (task + 1) / tasks);
    splitter_->process(round, first, last, worker, results[task]);
  });
  for (ChunkResult& r : results) {
    count_bounded(r.bounded);
    add(std::move(r.open));
  }
}

std::string InputRounds::stuck() const {
  return splitter_->stuck() ? "a box of one point stays within rounding of the constraint" : "";
}

Standing InputRounds::standing() const {
  Standing s;
  for (const BoxDomain& d : open()) s.bound = std::min(s.bound, d.bound);
  return s;
}

}  // namespace coronet::search
