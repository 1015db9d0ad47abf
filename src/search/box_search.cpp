#include "search/box_search.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <variant>

#include "search/refine.h"

namespace coronet::search {

namespace {

/// Turns of branch and bound and of refinements last as long as all that was done before. A
/// refinement that leaves less than this share of the gap helps: the next turn of branch and bound
/// is short then, else long.
constexpr double kHelpful = 0.85;
constexpr double kShortTurn = 0.25;
constexpr double kLongTurn = 2.0;

/// So many open domains, and more of them after a turn, say that the end is not near, whatever
/// share is closed: of a wide tree the easy domains are closed first.
constexpr std::size_t kWideTree = 16384;

}  // namespace

void BoxSearch::decide() {
  if (open_.empty()) return;
  if (!bound_at_root()) return;
  if (late()) {
    run_.result.reason = "time ran out while bounding the root";
  } else if (run_.options.branch == "none") {
    run_.result.reason = "the bounds of the root do not decide it, and branching is off";
  } else {
    branch();
  }
}

/// CROWN, then alpha-CROWN on what is left. False where nothing stays open.
bool BoxSearch::bound_at_root() {
  using bound::Method;
  const Method method = bound::method_of(run_.options.method);
  bound::RootSettings settings;
  settings.method = method == Method::kAlpha ? Method::kCrown : method;
  const char* how = settings.method == Method::kCrown ? "crown" : "interval";
  root_ = bound_root(engine_->context, box_.lower, box_.upper, settings);
  bound_clauses(0, how);
  run_.end_phase(how);
  if (open_.empty()) return false;
  if (method == Method::kAlpha && !late()) {
    shrink();
    settings.method = Method::kAlpha;
    settings.iterations = run_.options.iterations;
    const bound::Bounds known = std::move(root_.bounds);
    settings.known = &known;
    root_ = bound_root(engine_->context, box_.lower, box_.upper, settings);
    if (!late()) bound_clauses(run_.options.spec_iterations, "alpha");
    run_.end_phase("alpha");
    if (open_.empty()) return false;
  }
  run_.result.unstable_neurons =
      std::max(run_.result.unstable_neurons, count_unstable(engine_->net64.graph(), root_.bounds));
  return true;
}

/// ReLUs first; boxes of the input get a turn where they may do better, then ReLUs the rest. Once
/// every ReLU is split, what stays open is due to other functions, and boxes have all the time.
void BoxSearch::branch() {
  const double now = elapsed_seconds();
  const double left = std::min(run_.deadline.left(), 600.0);
  const auto split_inputs = [&](const Deadline& until) {
    run_.result.reason.clear();
    drop_clauses(run_.split_inputs(open_, until).clause_refuted);
  };
  const auto exhausted = [&] { return tree_.open.empty() && !over(); };
  if (!input_turns_) {
    split_neurons(run_.deadline);
    return;
  }
  split_neurons(Deadline(now + 0.02 * left));
  if (!exhausted() && !over()) split_inputs(Deadline(now + 0.3 * left));
  if (!exhausted() && !over()) split_neurons(run_.deadline);
  if (exhausted()) split_inputs(run_.deadline);
}

/// Branch and bound over ReLUs and refinements of the root in turns.
void BoxSearch::split_neurons(const Deadline& until) {
  if (!planted_) {
    shrink();
    tree_ = plant(engine_->context, root_, open_, start_);
    planted_ = true;
  }
  const bool refining = run_.options.refine && nodes_to_refine() > 0;
  double share = 1;  // of the time so far, for the next turn of branch and bound
  while (!over() && !until.passed()) {
    const double began = elapsed_seconds();
    if (run_.accelerator.reconsider(began - began_)) engine_->attach(*run_.accelerator.get());
    const double turn =
        refining ? share * std::max(run_.options.least_turn, began - began_) : HUGE_VAL;
    const double before = tree_.remaining();
    const std::size_t open_before = tree_.open.size();
    run_.result.reason.clear();
    const BranchOutcome outcome =
        relu_branch(engine_->context, root_, open_, tree_, run_.boxes, run_.oracle,
                    Deadline(began + std::min(turn, until.left())), run_.memory / 2);
    run_.take(outcome, open_, "branch");
    run_.end_phase("branch");
    const double after = tree_.remaining();
    drop_clauses(outcome.clause_refuted);
    // An empty tree with open clauses: all is split, and no tighter root decides what is left.
    if (!refining || over() || until.passed() || tree_.open.empty()) return;
    // At this pace, does branch and bound end soon?
    const double now = elapsed_seconds();
    share = 1;
    const bool widens = tree_.open.size() > std::max(kWideTree, open_before);
    if (!widens && after * (now - began) < (before - after) * (now - began_)) continue;
    const double limit = std::max(run_.options.least_turn, now - began_);
    const double left = refine_root(Deadline(now + std::min(limit, until.left())));
    run_.end_phase("refine");
    const bool helpful = left < kHelpful;
    if (!helpful && tree_.bytes() > run_.memory / 2) return;  // the reason is the memory
    share = helpful ? kShortTurn : kLongTurn;
  }
}

/// How far the open clauses' bounds at the root are from what refutes them.
double BoxSearch::gap() const {
  double sum = 0;
  for (const BranchStart& s : start_) sum += std::max(0.0, -s.bound);
  return sum;
}

int BoxSearch::nodes_to_refine() const {
  const Graph& graph = engine_->net64.graph();
  int count = 0;
  for (const Node& node : graph.nodes) {
    if (!std::holds_alternative<Relu>(node.op)) continue;
    count += !bound::one_step(engine_->net64, node.inputs[0]);
  }
  return count;
}

/// One pass over the nodes: alpha, and branch and bound for each unstable neuron, then the clauses
/// again. Each node has the same share of the time. Returns the share of the gap that is left.
double BoxSearch::refine_root(const Deadline& until) {
  const double gap_before = gap();
  int nodes_left = nodes_to_refine();
  bound::RootSettings settings;
  settings.method = bound::Method::kAlpha;
  settings.iterations = run_.options.iterations;
  settings.refine = [&](bound::Root& root, int v) {
    const double now = elapsed_seconds();
    const Deadline node_ends(now + until.left() / std::max(1, nodes_left--));
    RefineSettings each;
    each.iterations = std::max(1, run_.options.refine_iterations);
    each.memory_bytes = run_.memory / 4;
    each.stop = [&] { return node_ends.passed() || run_.oracle.found(); };
    run_.result.domains += refine(engine_->context, root, v, each);
  };
  const bound::Bounds known = std::move(root_.bounds);
  settings.known = &known;
  root_ = bound_root(engine_->context, box_.lower, box_.upper, settings);
  if (late() || run_.oracle.found()) return 1;
  bound_clauses(run_.options.spec_iterations, "refine");
  if (open_.empty()) return 0;
  const double left = gap_before > 0 ? gap() / gap_before : 1;
  const bool smaller = shrink();
  rebase(tree_, engine_->context, root_, smaller ? &shrunk_->reduced.kept : nullptr, open_, start_);
  return left;
}

/// Takes dead neurons out of the graph, if that makes it clearly smaller: root, starts and engine
/// then speak of the new graph.
bool BoxSearch::shrink() {
  // Too large to be held packed is too large to be copied.
  if (engine_->net32.bytes() == 0) return false;
  auto reduced = bound::drop_dead_neurons(engine_->net64.graph(), root_.bounds);
  if (!reduced) return false;
  auto shrunk = std::make_unique<Shrunk>();
  shrunk->reduced = std::move(*reduced);
  shrunk->engine = std::make_unique<Prepared>(shrunk->reduced.graph, run_.options, run_.workers,
                                              run_.deadline, run_.tracer, run_.accelerator.get());
  if (engine_->dealt) {
    shrunk->engine->deal(
        run_.ranks->reduced(*engine_->dealt, root_.bounds, shrunk->engine->context));
  }
  engine_ = shrunk->engine.get();
  root_ = restate(engine_->context, shrunk->reduced.select(root_.bounds));
  for (BranchStart& s : start_) {
    for (std::size_t v = 0; v < s.alpha.size(); ++v) {
      if (s.alpha[v].empty()) continue;
      s.alpha[v] = shrunk->reduced.select(static_cast<int>(v), s.alpha[v]);
    }
  }
  shrunk_ = std::move(shrunk);
  return true;
}

/// Bounds every constraint of the open clauses; takes out the refuted ones; start_[k] is then where
/// clause k's tree begins.
void BoxSearch::bound_clauses(int iterations, const char* how) {
  bound::RowList list;
  list.node = engine_->net64.nodes() - 1;
  bool any_input = false;
  for (const ClauseRows& c : open_) any_input |= !c.input.empty();
  for (const ClauseRows& c : open_) {
    list.dense.insert(list.dense.end(), c.output.begin(), c.output.end());
    list.constant.insert(list.constant.end(), c.constant.begin(), c.constant.end());
    if (!any_input) continue;
    if (c.input.empty()) {
      list.input.resize(
          list.input.size() + static_cast<std::size_t>(c.count) * engine_->net64.size(0), 0.0);
    } else {
      list.input.insert(list.input.end(), c.input.begin(), c.input.end());
    }
  }
  bound::OptimiseSettings settings;
  settings.iterations = iterations;
  settings.lr = run_.options.lr_alpha;
  settings.decay = run_.options.lr_decay;
  settings.keep_alpha = true;
  const bound::RowBounds rows = bound_rows(engine_->context, root_, list, settings);
  std::vector<char> refuted(open_.size(), 0);
  start_.assign(open_.size(), {});
  int r = 0;
  for (std::size_t k = 0; k < open_.size(); ++k) {
    const ClauseRows& c = open_[k];
    double best = -HUGE_VAL;
    int best_row = 0;
    for (int i = 0; i < c.count; ++i, ++r) {
      if (std::isfinite(rows.bound[r]) && refutes(rows.bound[r], c.strict[i] != 0)) refuted[k] = 1;
      if (i == 0 || rows.bound[r] > best) {
        best = rows.bound[r];
        best_row = r;
      }
    }
    ClauseReport& report = run_.result.clauses[c.clause];
    report.bound = std::max(report.bound, best);
    if (refuted[k] != 0) {
      report.decided_by = how;
      continue;
    }
    BranchStart& s = start_[k];
    s.bound = best;
    s.lambda.assign(c.count, 0.0F);
    if (c.count > 0) s.lambda[best_row - (r - c.count)] = 1;
    s.alpha.resize(rows.alpha.size());
    for (std::size_t v = 0; v < rows.alpha.size(); ++v) {
      if (rows.alpha[v].empty()) continue;
      const std::size_t n = engine_->net64.size(static_cast<int>(v));
      s.alpha[v].assign(rows.alpha[v].begin() + best_row * n,
                        rows.alpha[v].begin() + (best_row + 1) * n);
    }
  }
  drop_clauses(refuted);
}

void BoxSearch::drop_clauses(const std::vector<char>& refuted) {
  std::vector<char> keep(refuted.size());
  for (std::size_t k = 0; k < refuted.size(); ++k) keep[k] = refuted[k] != 0 ? 0 : 1;
  std::size_t to = 0;
  for (std::size_t k = 0; k < keep.size(); ++k) {
    if (!keep[k]) continue;
    if (to != k) {
      open_[to] = std::move(open_[k]);
      start_[to] = std::move(start_[k]);
    }
    ++to;
  }
  open_.resize(to);
  start_.resize(to);
  if (planted_) tree_.keep_clauses(keep);
}

}  // namespace coronet::search
