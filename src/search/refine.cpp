#include "search/refine.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>
#include <vector>

#include "search/bounder.h"
#include "search/ranks/shared_refinement.h"
#include "search/ranks/shared_turn.h"

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

std::vector<int> unstable_neurons(const bound::Bounds& bounds, int v) {
  std::vector<int> neurons;
  for (int j = 0; j < static_cast<int>(bounds.lo[v].size()); ++j) {
    if (bounds.lo[v][j] < 0 && bounds.hi[v][j] > 0) neurons.push_back(j);
  }
  return neurons;
}

/// Rows 2i and 2i + 1 are the lower and the upper bound of neuron i of the list.
Objectives rows_of(int v, const std::vector<int>& neurons) {
  Objectives objectives;
  objectives.node = v;
  for (const int j : neurons) {
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

/// The rows' bounds that count: of each the least over its leaves, and 0 where it has none left;
/// -inf for those that change no line.
std::vector<double> settled(Bounder& bounder, std::vector<RowTree>& rows) {
  std::vector<double> bound(rows.size(), -HUGE_VAL);
  std::vector<Domain> leaves;
  for (std::size_t k = 0; k < rows.size(); ++k) {
    // A stable neuron's other bound.
    if (!rows[k].positive() && rows[k ^ 1].positive()) continue;
    bound[k] = 0;
    std::move(rows[k].leaves.begin(), rows[k].leaves.end(), std::back_inserter(leaves));
    std::move(rows[k].exhausted.begin(), rows[k].exhausted.end(), std::back_inserter(leaves));
  }
  const std::vector<double> of_leaf = bounder.rigorous(leaves);
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    double& least = bound[leaves[i].objective];
    least = std::min(least, of_leaf[i]);
  }
  return bound;
}

}  // namespace

Refined refine_neurons(bound::Context& context, const bound::Root& root, int v,
                       const std::vector<int>& neurons, const RefineSettings& settings) {
  Refined refined;
  refined.bound.assign(2 * neurons.size(), -HUGE_VAL);
  if (neurons.empty() || settings.stop()) return refined;
  Bounder bounder(context, root, rows_of(v, neurons));
  if (bounder.layout().relus().empty()) return refined;  // nothing below to split
  std::vector<RowTree> rows(2 * neurons.size());
  std::vector<Domain> round;
  for (int k = 0; k < static_cast<int>(rows.size()); ++k) {
    round.push_back(bounder.layout().root_domain(k, -HUGE_VAL, {}, {}));
  }
  std::size_t bytes = 0;
  // The roots start from the lines' own slopes, so they take longer.
  int iterations = 2 * settings.iterations;
  while (!round.empty()) {
    Bounded bounded = bounder.run(std::move(round), iterations, settings.stop, nullptr);
    iterations = settings.iterations;
    refined.domains += bounded.count;
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

  if (context.deadline.passed()) return refined;  // nobody will use the bounds
  refined.bound = settled(bounder, rows);
  return refined;
}

std::int64_t refine(bound::Context& context, bound::Root& root, int v,
                    const RefineSettings& settings) {
  const std::vector<int> neurons = unstable_neurons(root.bounds, v);
  if (neurons.empty() || settings.stop()) return 0;
  const Refined refined = several(settings.ranks)
                              ? share_refinement(context, root, v, neurons, settings)
                              : refine_neurons(context, root, v, neurons, settings);
  for (std::size_t i = 0; i < neurons.size(); ++i) {
    double& lo = root.bounds.lo[v][neurons[i]];
    double& hi = root.bounds.hi[v][neurons[i]];
    const double new_lo = std::max(lo, refined.bound[2 * i]);
    const double new_hi = std::min(hi, -refined.bound[2 * i + 1]);
    // The margins make this certain; were it ever not so, the old bounds stay.
    if (new_lo > new_hi) continue;
    lo = new_lo;
    hi = new_hi;
  }
  return refined.domains;
}

}  // namespace coronet::search
