#include "search/relu_branch.h"

#include <algorithm>
#include <cmath>

#include "device/vector.h"
#include "search/attack.h"
#include "search/batch.h"
#include "search/concrete.h"
#include "search/leaf.h"

namespace coronet::search {

namespace {

using bound::Pass;
using bound::Plan;

/// What one chunk of a round leaves behind.
struct ChunkResult {
  std::vector<Domain> open;
  std::int64_t bounded = 0;
  std::vector<int> undecided;  ///< clauses of fully split domains that stay open
};

class Search {
 public:
  Search(bound::Context& context, const bound::Root& root, const std::vector<ClauseRows>& clauses,
         Oracle& oracle, const Deadline& deadline)
      : context_(context),
        root_(root),
        oracle_(oracle),
        deadline_(deadline),
        layout_(context, root, clauses),
        plan32_(make_plan(context.net32, layout_.output(), false, layout_.several())),
        plan64_(make_plan(context.net64, layout_.output(), false)) {}

  [[nodiscard]] const Layout& layout() const { return layout_; }
  [[nodiscard]] std::size_t row_bytes() const {
    return sizeof(float) * (4 * plan32_.kept + plan32_.passing) + 1;
  }

  /// Bounds the two children of every domain, or the domain itself where its split is not chosen
  /// yet (a root).
  void process(const std::vector<Domain>& domains, int first, int last, int worker,
               ChunkResult& result) {
    Batch<float> batch = make_batch(domains, first, last);
    bound::Rows<float>& rows = batch.rows;
    const int iterations = std::max(1, context_.options.branch_iterations);
    const std::int64_t bounded = rows.count;
    Pass<float> pass(context_.net32, root_.relax32, plan32_, context_.space32[worker]);
    std::vector<Domain> proved;  // positive in float32: to be confirmed in double
    double lr_alpha = context_.options.lr_branch;
    double lr_beta = context_.options.lr_beta;
    std::vector<float> bound;
    std::vector<char> out(rows.count, 0);
    AlignedVector<float> value;
    for (int t = 0; t < iterations; ++t) {
      if (deadline_.passed() || oracle_.found()) {
        result.open.assign(domains.begin() + first, domains.begin() + last);
        return;
      }
      pass.pull(rows, true, bound);
      int leaving = 0;
      for (int r = 0; r < rows.count; ++r) {
        if (!out[r] && bound[r] > 0) {
          proved.push_back(layout_.get(batch, r, bound[r]));
          out[r] = 1;
        }
        leaving += out[r];
      }
      if (leaving == rows.count) break;
      if (t + 1 == iterations) {
        try_minimizers(pass, batch, bound, out, worker);
        for (int r = 0; r < rows.count; ++r) {
          if (out[r]) continue;
          Domain d = layout_.get(batch, r, bound[r]);
          choose_split(pass, batch, r, d);
          keep(std::move(d), worker, result);
        }
        break;
      }
      const bound::Step<float> step = bound::adam_step<float>(t, lr_alpha, lr_beta);
      pass.push(rows, &step, layout_.several() ? &value : nullptr);
      if (layout_.several()) step_lambda(layout_, pass, batch, value, step.beta);
      if (leaving * 8 > rows.count) {
        for (char& c : out) c = c ? 0 : 1;
        batch.compact(out, plan32_);
        out.assign(rows.count, 0);
      }
      lr_alpha *= context_.options.lr_decay;
      lr_beta *= context_.options.lr_decay;
    }
    pass.end();
    confirm(proved, worker, result);
    result.bounded = bounded;
  }

 private:
  Batch<float> make_batch(const std::vector<Domain>& domains, int first, int last) {
    int count = 0;
    for (int i = first; i < last; ++i) count += domains[i].split_node >= 0 ? 2 : 1;
    Batch<float> batch = layout_.make<float>(root_, count, true);
    int r = 0;
    for (int i = first; i < last; ++i) {
      const Domain& d = domains[i];
      if (d.split_node < 0) {
        layout_.put(root_, batch, r++, d);
        continue;
      }
      for (const float sign : {1.0F, -1.0F}) {
        layout_.put(root_, batch, r, d);
        batch.rows.splits[d.split_node][r++].push_back({d.split_neuron, sign, 0, 0, 0});
      }
    }
    return batch;
  }

  /// The unsplit neuron whose upper line's intercept costs the bound most; where none costs
  /// anything, the one with the widest bounds, so that the search still ends with every neuron
  /// split.
  template <class T>
  void choose_split(const Pass<T>& pass, const Batch<T>& batch, int r, Domain& d) {
    double best = 0;
    for (int v : layout_.relus()) {
      const auto& lines = root_.relax32.lines[v];
      const T* a = pass.kept(v, r);
      AlignedVector<float>& scored = scratch();
      scored.resize(lines.size);
      for (int j = 0; j < lines.size; ++j) scored[j] = static_cast<float>(a[j]);
      for (const auto& s : batch.rows.splits[v][r]) scored[s.neuron] = 0;
      float score = 0;
      const int j = device::elementwise<float>().split_score(
          lines.size, scored.data(), lines.tu.data(), lines.free.data(), &score);
      if (j >= 0 && score > best) {
        best = score;
        d.split_node = v;
        d.split_neuron = j;
      }
    }
    if (d.split_node >= 0) return;
    for (int v : layout_.relus()) {
      const int u = context_.net32.inputs(v)[0];
      for (int j : layout_.free(v)) {
        const auto& splits = batch.rows.splits[v][r];
        if (std::any_of(splits.begin(), splits.end(),
                        [j](const auto& s) { return s.neuron == j; })) {
          continue;
        }
        const double width = std::min(-root_.bounds.lo[u][j], root_.bounds.hi[u][j]);
        if (width > best) {
          best = width;
          d.split_node = v;
          d.split_neuron = j;
        }
      }
    }
  }

  static AlignedVector<float>& scratch() {
    static thread_local AlignedVector<float> buffer;
    return buffer;
  }

  void keep(Domain d, int worker, ChunkResult& result) {
    if (d.split_node >= 0) {
      result.open.push_back(std::move(d));
      return;
    }
    const LeafOutcome outcome = decide_leaf(context_, root_, layout_.clauses()[d.clause], d,
                                            oracle_, context_.space64[worker]);
    if (outcome == LeafOutcome::kUndecided) result.undecided.push_back(d.clause);
  }

  /// A float32 bound proves nothing: each is pulled again in double with the same multipliers, less
  /// its rounding.
  void confirm(const std::vector<Domain>& proved, int worker, ChunkResult& result) {
    constexpr int kAtOnce = 128;
    for (int first = 0; first < static_cast<int>(proved.size()); first += kAtOnce) {
      const int count = std::min<int>(kAtOnce, static_cast<int>(proved.size()) - first);
      Batch<double> batch = layout_.make<double>(root_, count, false);
      for (int r = 0; r < count; ++r) layout_.put(root_, batch, r, proved[first + r]);
      Pass<double> pass(context_.net64, root_.relax64, plan64_, context_.space64[worker]);
      std::vector<double> bound;
      std::vector<double> error;
      pass.pull(batch.rows, true, bound, &root_.magnitude, &error);
      for (int r = 0; r < count; ++r) {
        const Domain& d = proved[first + r];
        const float* lambda = d.lambda.empty() ? nullptr : d.lambda.data();
        const double safe = bound[r] - error[r] -
                            combine_error(root_, layout_.clauses()[d.clause], lambda,
                                          layout_.outputs(), layout_.inputs());
        if (safe > 0 && std::isfinite(safe)) continue;
        Domain again = d;
        again.bound = static_cast<float>(std::isfinite(safe) ? safe : -HUGE_VAL);
        choose_split(pass, batch, r, again);
        keep(std::move(again), worker, result);
      }
    }
  }

  /// The minimisers of the relaxation are good places to look for a counterexample: the most
  /// promising are evaluated.
  void try_minimizers(const Pass<float>& pass, const Batch<float>& batch,
                      const std::vector<float>& bound, const std::vector<char>& out, int worker) {
    if (!context_.options.attack) return;
    constexpr int kMost = 32;
    std::vector<int> rows;
    for (int r = 0; r < batch.rows.count; ++r) {
      if (!out[r]) rows.push_back(r);
    }
    if (rows.size() > kMost) {
      std::nth_element(rows.begin(), rows.begin() + kMost, rows.end(),
                       [&](int a, int b) { return bound[a] < bound[b]; });
      rows.resize(kMost);
    }
    const int n = static_cast<int>(rows.size());
    const int inputs = layout_.inputs();
    std::vector<float> x(static_cast<std::size_t>(n) * inputs);
    std::vector<float> y(static_cast<std::size_t>(n) * layout_.outputs());
    for (int i = 0; i < n; ++i) {
      pass.minimizer(batch.rows, rows[i], x.data() + static_cast<std::size_t>(i) * inputs);
    }
    Concrete concrete(context_.net32, context_.space32[worker]);
    concrete.evaluate(n, x.data(), y.data(), false);
    for (int i = 0; i < n; ++i) {
      const ClauseRows& clause = layout_.clauses()[batch.rows.id[rows[i]]];
      bool violated = true;
      for (int k = 0; k < clause.count && violated; ++k) {
        violated = constraint_value(clause, k, x.data() + static_cast<std::size_t>(i) * inputs,
                                    y.data() + static_cast<std::size_t>(i) * layout_.outputs(),
                                    inputs, layout_.outputs()) <= 0;
      }
      if (violated &&
          oracle_.offer(clause.clause, x.data() + static_cast<std::size_t>(i) * inputs)) {
        return;
      }
    }
  }

  bound::Context& context_;
  const bound::Root& root_;
  Oracle& oracle_;
  const Deadline& deadline_;
  Layout layout_;
  Plan plan32_;
  Plan plan64_;
};

/// Attacks between the rounds of branch and bound: the first soon, the next ones each time the
/// search has doubled.
class Attacks {
 public:
  explicit Attacks(std::size_t clauses) : began_(elapsed_seconds()), best_(clauses, HUGE_VAL) {}

  [[nodiscard]] bool due() const { return elapsed_seconds() >= next_ + began_; }
  [[nodiscard]] const std::vector<double>& best() const { return best_; }
  [[nodiscard]] double least() const { return *std::min_element(best_.begin(), best_.end()); }

  void run(bound::Context& context, const std::vector<ClauseRows>& clauses,
           const std::vector<GraphBox>& boxes, const std::vector<Domain>& open, Oracle& oracle) {
    const double spent = elapsed_seconds() - began_;
    next_ = 2 * spent + 0.1;
    if (!context.options.attack || open.empty()) return;
    std::vector<char> is_open(clauses.size(), 0);
    for (const Domain& d : open) is_open[d.clause] = 1;
    std::vector<ClauseRows> attacked;
    std::vector<std::size_t> index;
    for (std::size_t k = 0; k < clauses.size(); ++k) {
      if (is_open[k] == 0) continue;
      attacked.push_back(clauses[k]);
      index.push_back(k);
    }
    AttackSettings settings;
    settings.restarts = context.options.attack_restarts;
    settings.steps = context.options.attack_steps;
    settings.seconds = 0.25 * spent + 0.05;
    settings.stream = ++stream_;
    std::vector<double> best(attacked.size(), HUGE_VAL);
    attack(context, attacked, boxes, oracle, settings, best);
    for (std::size_t i = 0; i < index.size(); ++i) {
      best_[index[i]] = std::min(best_[index[i]], best[i]);
    }
  }

 private:
  double began_;
  double next_ = 0.1;
  std::uint64_t stream_ = 1;
  std::vector<double> best_;
};

}  // namespace

BranchOutcome relu_branch(bound::Context& context, const bound::Root& root,
                          const std::vector<ClauseRows>& clauses,
                          const std::vector<BranchStart>& start, const std::vector<GraphBox>& boxes,
                          Oracle& oracle, const Deadline& deadline, std::size_t memory_bytes) {
  Search search(context, root, clauses, oracle, deadline);
  BranchOutcome outcome;
  std::vector<Domain> open;
  for (std::size_t k = 0; k < clauses.size(); ++k) {
    open.push_back(search.layout().root_domain(root, static_cast<int>(k), start[k].bound,
                                               start[k].lambda, start[k].alpha));
  }
  const int workers = context.workers.size();
  const std::size_t budget = static_cast<std::size_t>(context.options.chunk_mib * 1048576.0);
  const int chunk = static_cast<int>(
      std::clamp<std::size_t>(budget / search.row_bytes(), 4, std::max(4, context.options.batch)));
  const double began = elapsed_seconds();
  double told = began;
  Attacks attacks(clauses.size());
  std::vector<char> undecided(clauses.size(), 0);
  while (!open.empty()) {
    if (oracle.found()) break;
    if (deadline.passed()) {
      outcome.reason = "time ran out in branch and bound";
      break;
    }
    std::size_t bytes = 0;
    for (const Domain& d : open) bytes += d.bytes();
    outcome.bytes = std::max(outcome.bytes, bytes);
    if (bytes > memory_bytes) {
      outcome.reason = "the open domains of branch and bound take more than --memory-gib allows";
      break;
    }
    // The newest domains first: the pool stays small, and children are bounded while their parents'
    // slopes are fresh.
    const int take = std::min<int>(static_cast<int>(open.size()), workers * std::max(1, chunk / 2));
    std::vector<Domain> round(std::make_move_iterator(open.end() - take),
                              std::make_move_iterator(open.end()));
    open.resize(open.size() - take);
    const int tasks = std::min(take, workers);
    std::vector<ChunkResult> results(tasks);
    context.workers.run(tasks, [&](int task, int worker) {
      const int first = static_cast<int>(static_cast<std::int64_t>(take) * task / tasks);
      const int last = static_cast<int>(static_cast<std::int64_t>(take) * (task + 1) / tasks);
      search.process(round, first, last, worker, results[task]);
    });
    for (ChunkResult& r : results) {
      outcome.domains += r.bounded;
      for (int k : r.undecided) undecided[k] = 1;
      for (Domain& d : r.open) open.push_back(std::move(d));
    }
    if (attacks.due()) attacks.run(context, clauses, boxes, open, oracle);
    const double now = elapsed_seconds();
    if (now - told > 0.2) {
      told = now;
      Progress p;
      p.phase = "branch";
      p.elapsed = now;
      p.open = static_cast<std::int64_t>(open.size());
      p.closed = outcome.domains;
      p.domains_per_second = static_cast<double>(outcome.domains) / (now - began);
      p.memory = resident_bytes();
      p.best_attack = attacks.least();
      p.bound = HUGE_VAL;
      for (const Domain& d : open) {
        if (d.bound < p.bound) {
          p.bound = d.bound;
          p.worst_row = clauses[d.clause].clause;
        }
      }
      context.tracer.progress(p);
    }
  }
  outcome.best_attack = attacks.best();
  outcome.open = static_cast<std::int64_t>(open.size());
  outcome.clause_refuted.assign(clauses.size(), 1);
  outcome.bound.assign(clauses.size(), HUGE_VAL);
  for (const Domain& d : open) {
    outcome.clause_refuted[d.clause] = 0;
    outcome.bound[d.clause] = std::min<double>(outcome.bound[d.clause], d.bound);
  }
  for (std::size_t k = 0; k < clauses.size(); ++k) {
    if (undecided[k] == 0) continue;
    outcome.clause_refuted[k] = 0;
    outcome.bound[k] = std::min(outcome.bound[k], 0.0);
    if (outcome.reason.empty()) {
      outcome.reason = "fully split domains have an optimum within rounding of zero";
    }
  }
  const bool all = std::all_of(outcome.clause_refuted.begin(), outcome.clause_refuted.end(),
                               [](char c) { return c != 0; });
  outcome.refuted = all && !oracle.best();
  return outcome;
}

}  // namespace coronet::search
