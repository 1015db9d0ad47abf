#include "search/refine.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "search/bounder.h"

namespace coronet::search {

namespace {

/// After every so many splits a row must have gained this part of its distance to zero, or it
/// rests.
constexpr int kCheckEvery = 8;
constexpr double kLeastGain = 0.02;
/// Where few rows are left, each splits several leaves in a round, so that batches stay large.
constexpr int kRowsOfARound = 512;
constexpr int kMostLeaves = 4;

/// The tree of one row: leaves that can be split, as a heap with the worst on top, and those that
/// cannot.
struct RowTree {
  std::vector<Domain> leaves;
  std::vector<Domain> exhausted;
  double mark = -HUGE_VAL;  ///< the row's bound when it was last checked
  int splits = 0;
  int next_check = kCheckEvery;
  bool resting = false;

  static bool better(const Domain& a, const Domain& b) { return a.bound > b.bound; }

  void add(Domain d) {
    leaves.push_back(std::move(d));
    std::push_heap(leaves.begin(), leaves.end(), better);
  }
  Domain take() {
    std::pop_heap(leaves.begin(), leaves.end(), better);
    Domain d = std::move(leaves.back());
    leaves.pop_back();
    ++splits;
    return d;
  }
  /// Is every part of the box proved positive?
  [[nodiscard]] bool positive() const { return leaves.empty() && exhausted.empty(); }
  [[nodiscard]] double bound() const {
    double least = leaves.empty() ? HUGE_VAL : leaves.front().bound;
    for (const Domain& d : exhausted) least = std::min<double>(least, d.bound);
    return least;
  }
  /// Can splitting raise the bound?
  [[nodiscard]] bool hopeful() const {
    return !leaves.empty() &&
           std::none_of(exhausted.begin(), exhausted.end(),
                        [&](const Domain& d) { return d.bound <= leaves.front().bound; });
  }
  void check() {
    if (splits < next_check) return;
    const double now = bound();
    resting = now - mark < kLeastGain * std::fabs(now);
    mark = now;
    next_check = splits + kCheckEvery;
  }
};

/// Rows 2i and 2i + 1 are the lower and the upper bound of neuron i of the list.
Objectives unstable_rows(const bound::Bounds& bounds, int v) {
  Objectives objectives;
  objectives.node = v;
  for (int j = 0; j < static_cast<int>(bounds.lo[v].size()); ++j) {
    if (!(bounds.lo[v][j] < 0 && bounds.hi[v][j] > 0)) continue;
    objectives.neuron.insert(objectives.neuron.end(), {j, j});
    objectives.sign.insert(objectives.sign.end(), {1.0F, -1.0F});
  }
  return objectives;
}

/// Takes the leaves to be split in the next round.
std::vector<Domain> next_round(std::vector<RowTree>& rows) {
  std::vector<RowTree*> active;
  for (std::size_t k = 0; k < rows.size(); ++k) {
    RowTree& row = rows[k];
    if (row.resting || !row.hopeful()) continue;
    if (rows[k ^ 1].positive()) continue;  // the neuron is stable
    active.push_back(&row);
  }
  std::vector<Domain> round;
  if (active.empty()) return round;
  const int each = std::clamp(kRowsOfARound / static_cast<int>(active.size()), 1, kMostLeaves);
  for (RowTree* row : active) {
    for (int i = 0; i < each && !row->leaves.empty(); ++i) round.push_back(row->take());
  }
  return round;
}

/// The least rigorous bound over a row's leaves; what has no leaf left is positive.
double settled(Bounder& bounder, RowTree& row, int worker) {
  double least = HUGE_VAL;
  for (std::vector<Domain>* leaves : {&row.leaves, &row.exhausted}) {
    const std::vector<double> bounds =
        bounder.rigorous(*leaves, 0, static_cast<int>(leaves->size()), worker, false);
    for (double b : bounds) least = std::min(least, b);
  }
  return std::min(least, 0.0);
}

}  // namespace

std::int64_t refine(bound::Context& context, bound::Root& root, int v,
                    const RefineSettings& settings) {
  Objectives objectives = unstable_rows(root.bounds, v);
  if (objectives.count() == 0 || settings.stop()) return 0;
  const std::vector<int> neuron = objectives.neuron;
  Bounder bounder(context, root, std::move(objectives));
  if (bounder.layout().relus().empty()) return 0;  // nothing below to split
  std::vector<RowTree> rows(neuron.size());
  std::vector<Domain> round;
  for (int k = 0; k < static_cast<int>(rows.size()); ++k) {
    round.push_back(bounder.layout().root_domain(k, -HUGE_VAL, {}, {}));
  }
  std::int64_t count = 0;
  std::size_t bytes = 0;
  // The roots start from the lines' own slopes, so they take longer.
  int iterations = 2 * settings.iterations;
  while (!round.empty()) {
    Bounded bounded = bounder.run(round, iterations, settings.stop, nullptr);
    iterations = settings.iterations;
    count += bounded.count;
    for (Domain& d : bounded.open) {
      bytes += d.bytes();
      rows[d.objective].add(std::move(d));
    }
    for (Domain& d : bounded.exhausted) rows[d.objective].exhausted.push_back(std::move(d));
    round.clear();
    if (settings.stop() || bytes > settings.memory_bytes) break;
    for (RowTree& row : rows) row.check();
    round = next_round(rows);
    for (const Domain& d : round) bytes -= std::min(bytes, d.bytes());
  }

  if (context.deadline.passed()) return count;  // nobody will use the bounds
  std::vector<double> bound(rows.size(), -HUGE_VAL);
  context.workers.run(static_cast<int>(rows.size()) / 2, [&](int pair, int worker) {
    for (int k : {2 * pair, 2 * pair + 1}) {
      // A stable neuron's other bound changes no line.
      if (rows[k].positive() || !rows[k ^ 1].positive())
        bound[k] = settled(bounder, rows[k], worker);
    }
  });
  for (std::size_t k = 0; k < rows.size(); k += 2) {
    double& lo = root.bounds.lo[v][neuron[k]];
    double& hi = root.bounds.hi[v][neuron[k]];
    const double new_lo = std::max(lo, bound[k]);
    const double new_hi = std::min(hi, -bound[k + 1]);
    // The margins make this certain; were it ever not so, the old bounds stay.
    if (new_lo > new_hi) continue;
    lo = new_lo;
    hi = new_hi;
  }
  return count;
}

}  // namespace coronet::search
