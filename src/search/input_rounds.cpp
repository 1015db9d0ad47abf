#include "search/input_rounds.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "bound/interval.h"
#include "bound/root.h"
#include "search/box_split.h"
#include "search/contract.h"

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

}  // namespace

class InputRounds::Splitter {
 public:
  Splitter(bound::Context& context, const std::vector<ClauseRows>& clauses,
           const std::vector<GraphBox>& boxes, Judge& judge, const Deadline& deadline)
      : context_(context),
        judge_(judge),
        deadline_(deadline),
        net_(context.net64),
        output_(net_.nodes() - 1),
        inputs_(net_.size(0)),
        slope_(bound::slope_of(context.options.slope)),
        splitter_(context.options, clauses, boxes, inputs_),
        contractor_(net_) {
    for (int v = 0; v < net_.nodes(); ++v) plans_.push_back(make_plan(net_, v, false));
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
    std::vector<int> box;
    bound::RowList list = splitter_.rows(domains, first, first + count, output_, box);
    rows.count = static_cast<int>(box.size());
    rows.domain.assign(box.begin(), box.end());
    rows.dense = std::move(list.dense);
    rows.input = std::move(list.input);
    rows.constant.assign(list.constant.begin(), list.constant.end());
    Pass<double> pass(net_, relax, plans_[output_], context_.space64[worker]);
    std::vector<double> value;
    std::vector<double> error;
    pass.pull(rows, true, value, &magnitude, &error);

    int r = 0;  // the first row of the domain
    int d = 0;
    BoxHelp help;
    help.smear = [&](int row, std::vector<double>& smear) {
      add_smear(pass, r + row, d, bounds, domains[first + d], smear);
    };
    if (contractor_.useful()) {
      help.contract = [&](const ClauseRows& clause, BoxDomain& left) {
        double* lo = bounds.lo[0].data() + static_cast<std::size_t>(d) * inputs_;
        double* hi = bounds.hi[0].data() + static_cast<std::size_t>(d) * inputs_;
        std::copy(left.lower.begin(), left.lower.end(), lo);
        std::copy(left.upper.begin(), left.upper.end(), hi);
        if (!contractor_.contract(clause, d, bounds)) return false;
        left.lower.assign(lo, lo + inputs_);
        left.upper.assign(hi, hi + inputs_);
        return true;
      };
    }
    BoxPoints points;
    for (; d < count; ++d) {
      const BoxDomain& from = domains[first + d];
      splitter_.split(from, {value.data() + r, error.data() + r, pass.input_a(r)}, help,
                      result.open, points);
      r += splitter_.rows(from);
    }
    splitter_.try_points(context_, points, judge_, worker);
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

 public:
  [[nodiscard]] bool stuck() const { return splitter_.stuck(); }

 private:
  bound::Context& context_;
  Judge& judge_;
  const Deadline& deadline_;
  const bound::Network<double>& net_;
  int output_, inputs_;
  bound::Slope slope_;
  BoxSplitter splitter_;
  Contractor contractor_;
  std::vector<Plan> plans_;
  std::vector<char> feeds_;
};

InputRounds::InputRounds(bound::Context& context, const std::vector<ClauseRows>& clauses,
                         const std::vector<GraphBox>& boxes, InputTree& tree, Judge& judge,
                         const Deadline& deadline)
    : Rounds(tree.open),
      context_(context),
      splitter_(std::make_unique<Splitter>(context, clauses, boxes, judge, deadline)) {
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

std::string InputRounds::stuck() const { return splitter_->stuck() ? kStuckBox : ""; }

Standing InputRounds::standing() const {
  Standing s;
  for (const BoxDomain& d : open()) s.bound = std::min(s.bound, d.bound);
  return s;
}

}  // namespace coronet::search
