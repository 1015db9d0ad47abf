#include "search/box_search.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <variant>

#include "base/error.h"
#include "search/clause_list.h"
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

BoxSearch::BoxSearch(Run& run, int box, std::vector<ClauseRows> clauses, bool input_turns,
                     std::shared_ptr<BoxProgress> progress)
    : run_(run),
      box_(run.boxes[box]),
      open_(std::move(clauses)),
      input_turns_(input_turns),
      engine_(&run.whole),
      began_(elapsed_seconds()),
      progress_(std::move(progress)) {
  if (progress_) {
    began_ -= progress_->seconds;
  } else {
    progress_ = std::make_shared<BoxProgress>();
    progress_->box = box;
    run.inputs = std::make_shared<InputTree>();
  }
  progress_->kept.resize(run.whole.net64.nodes());
}

bool BoxSearch::decide() {
  if (open_.empty()) return true;
  if (progress_->planted) {
    take_up();
    if (!over()) branch();
  } else {
    bound_and_branch();
  }
  // What ended the search may be mended: more time, more memory.
  if (!over()) save(0);
  return open_.empty();
}

void BoxSearch::bound_and_branch() {
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
  const bound::Bounds before = progress_->bounds;
  if (!before.lo.empty()) settings.known = &before;
  if (progress_->crowned) settings.method = Method::kInterval;  // the known bounds are CROWN's
  root_ = bound_root(engine_->context, box_.lower, box_.upper, settings);
  if (settings.known != nullptr) check_known();
  bound_clauses(0, how);
  run_.end_phase(how);
  if (open_.empty()) return false;
  progress_->crowned = progress_->crowned || !late();
  if (method == Method::kAlpha && !late()) {
    shrink();
    settings.method = Method::kAlpha;
    settings.iterations = run_.options.iterations;
    settings.first = progress_->alpha_nodes;
    settings.refine = [&](bound::Root& root, int v) {
      if (root.timed_out) return;
      progress_->alpha_nodes = v + 1;
      if (!run_.save_due()) return;
      remember(root.bounds);
      save_remembered(0);
    };
    remember(root_.bounds);  // while it is tightened, it is not whole
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

/// Goes on with the tree of an earlier run: the same bounds, and the graph without its dead
/// neurons, made anew.
void BoxSearch::take_up() {
  Tree& saved = tree();
  renumber(saved, progress_->kept);
  progress_->kept.assign(progress_->kept.size(), {});
  for (std::size_t k = 0; k < progress_->clauses.size(); ++k) {
    BranchStart& s = start_.emplace_back();
    s.bound = progress_->start[k];
  }
  bound::RootSettings settings;
  settings.method = bound::Method::kInterval;
  const bound::Bounds known = progress_->bounds;
  settings.known = &known;
  root_ = bound_root(engine_->context, box_.lower, box_.upper, settings);
  check_known();
  const bool smaller = shrink();
  carry_over(saved, engine_->context, root_, smaller ? &shrunk_->reduced.kept : nullptr, open_);
  run_.end_phase("resume");
}

/// What an earlier run knew and what intervals tell now must agree.
void BoxSearch::check_known() const {
  for (std::size_t v = 0; v < root_.bounds.lo.size(); ++v) {
    for (std::size_t i = 0; i < root_.bounds.lo[v].size(); ++i) {
      if (root_.bounds.lo[v][i] <= root_.bounds.hi[v][i]) continue;
      throw Error(ErrorKind::kBadInput,
                  fmt::format("the checkpoint cannot be resumed: its bounds contradict interval "
                              "arithmetic (node {}, neuron {})",
                              v, i));
    }
  }
}

/// Notes bounds of the graph without its dead neurons as the whole graph's; some nodes may have
/// none yet.
void BoxSearch::remember(const bound::Bounds& bounds) {
  bound::Bounds& whole = progress_->bounds;
  whole.lo.resize(bounds.lo.size());
  whole.hi.resize(bounds.hi.size());
  for (std::size_t v = 0; v < bounds.lo.size(); ++v) {
    if (bounds.lo[v].empty()) continue;
    const std::vector<int>& kept = progress_->kept[v];
    if (kept.empty()) {
      whole.lo[v] = bounds.lo[v];
      whole.hi[v] = bounds.hi[v];
      continue;
    }
    for (std::size_t i = 0; i < kept.size(); ++i) {
      whole.lo[v][kept[i]] = bounds.lo[v][i];
      whole.hi[v][kept[i]] = bounds.hi[v][i];
    }
  }
}

void BoxSearch::save(std::int64_t domains) {
  if (!run_.continuation.save) return;
  remember(root_.bounds);
  save_remembered(domains);
}

void BoxSearch::save_remembered(std::int64_t domains) {
  progress_->seconds = elapsed_seconds() - began_;
  progress_->clauses.clear();
  progress_->start.clear();
  for (std::size_t k = 0; k < open_.size(); ++k) {
    progress_->clauses.push_back(open_[k].clause);
    progress_->start.push_back(start_[k].bound);
  }
  run_.save(progress_, domains);
}

Saving BoxSearch::saving() {
  return {[this] { return run_.save_due(); }, [this](std::int64_t domains) { save(domains); }};
}

/// ReLUs first; boxes of the input get a turn where they may do better, then ReLUs the rest. Once
/// every ReLU is split, what stays open is due to other functions, and boxes have all the time.
void BoxSearch::branch() {
  const auto split_inputs = [&](const Deadline& until) {
    run_.result.reason.clear();
    drop_clauses(run_.split_inputs(open_, until, saving()).clause_refuted);
  };
  const auto exhausted = [&] { return tree().open.empty() && !over(); };
  if (!input_turns_) {
    split_neurons(run_.deadline);
    return;
  }
  if (!(progress_->inputs_until > 0)) {
    const double spent = elapsed_seconds() - began_;
    const double left = std::min(run_.deadline.left(), 600.0);
    progress_->neurons_until = spent + 0.02 * left;
    progress_->inputs_until = spent + 0.3 * left;
  }
  split_neurons(run_.deadline.within(began_ + progress_->neurons_until));
  if (!exhausted() && !over()) {
    split_inputs(run_.deadline.within(began_ + progress_->inputs_until));
  }
  if (!exhausted() && !over()) split_neurons(run_.deadline);
  if (exhausted()) split_inputs(run_.deadline);
}

/// Branch and bound over ReLUs and refinements of the root in turns.
void BoxSearch::split_neurons(const Deadline& until) {
  if (!progress_->planted) {
    shrink();
    tree() = plant(engine_->context, root_, open_, start_);
    progress_->planted = true;
  }
  const bool refining = run_.options.refine && nodes_to_refine() > 0;
  double share = 1;  // of the time so far, for the next turn of branch and bound
  while (!over() && !until.passed()) {
    const double began = elapsed_seconds();
    if (run_.accelerator.reconsider(began - began_)) engine_->attach(*run_.accelerator.get());
    const double turn =
        refining ? share * std::max(run_.options.least_turn, began - began_) : HUGE_VAL;
    const double before = tree().remaining();
    const std::size_t open_before = tree().open.size();
    run_.result.reason.clear();
    const Deadline turn_ends = until.within(began + turn);
    const BranchOutcome outcome =
        relu_branch(engine_->context, root_, open_, tree(), run_.boxes, run_.oracle,
                    {turn_ends, run_.memory / 2, saving(), run_.ranks, run_.ends_with(turn_ends)});
    run_.take(outcome, open_, "branch");
    run_.end_phase("branch");
    drop_clauses(outcome.clause_refuted);
    // An empty tree with open clauses: all is split, and no tighter root decides what is left.
    if (!refining || over() || until.passed() || tree().open.empty()) return;
    // At this pace, does branch and bound end soon?
    const double now = elapsed_seconds();
    const double after = tree().remaining();
    share = 1;
    const bool widens = tree().open.size() > std::max(kWideTree, open_before);
    if (!widens && after * (now - began) < (before - after) * (now - began_)) continue;
    const double limit = std::max(run_.options.least_turn, now - began_);
    const double left = refine_root(until.within(now + limit));
    run_.end_phase("refine");
    const bool helpful = left < kHelpful;
    if (!helpful && tree().bytes() > run_.memory / 2) return;  // the reason is the memory
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
    const Deadline node_ends = until.within(now + until.left() / std::max(1, nodes_left--));
    RefineSettings each;
    each.iterations = std::max(1, run_.options.refine_iterations);
    each.memory_bytes = run_.memory / 4;
    each.stop = [&] { return node_ends.passed() || run_.oracle.found(); };
    each.ranks = run_.ranks;
    each.seconds = node_ends.left();
    run_.result.domains += refine(engine_->context, root, v, each);
    if (!run_.save_due()) return;
    remember(root.bounds);
    save_remembered(0);
  };
  remember(root_.bounds);  // while it is tightened, it is not whole
  const bound::Bounds known = std::move(root_.bounds);
  settings.known = &known;
  root_ = bound_root(engine_->context, box_.lower, box_.upper, settings);
  if (late() || run_.oracle.found()) return 1;
  bound_clauses(run_.options.spec_iterations, "refine");
  if (open_.empty()) return 0;
  const double left = gap_before > 0 ? gap() / gap_before : 1;
  const bool smaller = shrink();
  rebase(tree(), engine_->context, root_, smaller ? &shrunk_->reduced.kept : nullptr, open_,
         start_);
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
  shrunk->engine->count_in(engine_->context.ledger);
  if (engine_->dealt) {
    shrunk->engine->deal(
        run_.ranks->reduced(*engine_->dealt, root_.bounds, shrunk->engine->context));
  }
  engine_ = shrunk->engine.get();
  remember(root_.bounds);
  root_ = restate(engine_->context, shrunk->reduced.select(root_.bounds));
  for (std::size_t v = 0; v < progress_->kept.size(); ++v) {
    std::vector<int>& kept = progress_->kept[v];
    const std::vector<int>& now = shrunk->reduced.kept[v];
    kept = kept.empty() ? now : shrunk->reduced.select(static_cast<int>(v), kept);
  }
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
  const bound::RowList list = list_of(open_, engine_->net64.nodes() - 1, engine_->net64.size(0));
  bound::OptimiseSettings settings;
  settings.iterations = iterations;
  settings.lr = run_.options.lr_alpha;
  settings.decay = run_.options.lr_decay;
  settings.keep_alpha = true;
  const bound::RowBounds rows = bound_rows(engine_->context, root_, list, settings);
  const ClauseBounds found = bounds_of(open_, rows.bound);
  start_.assign(open_.size(), {});
  int r = 0;
  for (std::size_t k = 0; k < open_.size(); ++k) {
    const ClauseRows& c = open_[k];
    const int first = std::exchange(r, r + c.count);
    const int best_row = found.best_row[k];
    ClauseReport& report = run_.result.clauses[c.clause];
    report.bound = std::max(report.bound, found.best[k]);
    if (found.refuted[k] != 0) {
      report.decided_by = how;
      continue;
    }
    BranchStart& s = start_[k];
    s.bound = found.best[k];
    s.lambda.assign(c.count, 0.0F);
    if (c.count > 0) s.lambda[best_row - first] = 1;
    s.alpha.resize(rows.alpha.size());
    for (std::size_t v = 0; v < rows.alpha.size(); ++v) {
      if (rows.alpha[v].empty()) continue;
      const std::size_t n = engine_->net64.size(static_cast<int>(v));
      s.alpha[v].assign(rows.alpha[v].begin() + best_row * n,
                        rows.alpha[v].begin() + (best_row + 1) * n);
    }
  }
  drop_clauses(found.refuted);
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
  if (progress_->planted) tree().keep_clauses(keep);
}

}  // namespace coronet::search
