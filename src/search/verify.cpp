#include "search/verify.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>

#include "base/error.h"
#include "bound/reduce.h"
#include "bound/root.h"
#include "search/attack.h"
#include "search/input_split.h"
#include "search/relu_branch.h"

namespace coronet::search {

namespace {

using bound::Context;
using bound::Method;
using bound::Root;

/// Packed weights up to this size are kept in both directions; above, they are packed tile by tile
/// on each use.
constexpr std::size_t kPackBytes32 = std::size_t{48} << 20;
constexpr std::size_t kPackBytes64 = std::size_t{48} << 20;

/// Up to so many weights, and from so many boxes on, input splitting comes first.
constexpr std::size_t kSmallNetwork = 100000;
constexpr std::size_t kManyBoxes = 8;
/// Small networks may have so many inputs for input splitting to be tried beside ReLU splitting.
constexpr int kSmallInputs = 128;

std::size_t weight_count(const Graph& graph) {
  std::size_t count = 0;
  for (const Node& n : graph.nodes) {
    if (const Dense* d = std::get_if<Dense>(&n.op)) count += d->weight.size();
    if (const Conv* c = std::get_if<Conv>(&n.op)) {
      count += c->weight.size() * static_cast<std::size_t>(c->out.height) * c->out.width;
    }
  }
  return count;
}

/// A graph ready to be bounded: networks and the buffers of the workers.
struct Engine {
  bound::Network<float> net32;
  bound::Network<double> net64;
  Context context;

  Engine(const Graph& graph, const Options& options, Workers& workers, const Deadline& deadline,
         Tracer& tracer)
      : net32(graph, kPackBytes32),
        net64(graph, kPackBytes64),
        context(net32, net64, options, workers, deadline, tracer) {}
};

class Verification {
 public:
  Verification(const Graph& graph, const Property& property, const Evaluate& evaluate,
               const Options& options, Tracer& tracer)
      : graph_(graph),
        property_(property),
        options_(options),
        tracer_(tracer),
        workers_(options.threads),
        deadline_(options.timeout > 0 ? options.timeout : HUGE_VAL),
        engine_(graph, options, workers_, deadline_, tracer),
        oracle_(graph, property, evaluate),
        phase_began_(elapsed_seconds()) {
    memory_ = options.memory_gib > 0 ? static_cast<std::size_t>(options.memory_gib * 0x1p30)
                                     : machine_memory_bytes() / 5 * 4;
  }

  Result run() {
    for (std::size_t k = 0; k < property_.clauses.size(); ++k) {
      clauses_.push_back(make_clause_rows(graph_, property_, static_cast<int>(k)));
    }
    for (const Box& b : property_.boxes) {
      boxes_.push_back(make_graph_box(graph_, b));
      free_dimensions_ = std::max(free_dimensions_, boxes_.back().free_dimensions());
    }
    result_.clauses.assign(clauses_.size(), {-HUGE_VAL, ""});
    best_attack_.assign(clauses_.size(), HUGE_VAL);
    decide();
    finish();
    return std::move(result_);
  }

 private:
  void decide() {
    if (clauses_.empty()) return;  // nothing can satisfy the query
    if (options_.attack) {
      // A short attack first: most violated properties fall at once, and the others lose little
      // time.
      const int few = std::clamp<int>(512 / static_cast<int>(clauses_.size()), 1, 8);
      attack_all(clauses_, few, std::min(20, options_.attack_steps), 1);
      end_phase("attack");
      if (oracle_.found()) return;
    }
    // Bounds hold for the box of the decimals as written: the doubles nearest to them are widened
    // by one unit.
    for (GraphBox& b : boxes_) {
      for (double& x : b.lower) x = bound::down(x);
      for (double& x : b.upper) x = bound::up(x);
    }
    if (options_.branch == "input" || (by_input() && (small() || boxes_.size() > kManyBoxes))) {
      // Halving boxes of a small network decides sooner than any other bound is made; so it does
      // for many boxes.
      split_inputs(clauses_, deadline_);
      return;
    }
    // A box that stays open does not end the search: another one may be violated.
    for (int b = 0; b < static_cast<int>(boxes_.size()); ++b) {
      if (oracle_.found() || deadline_.passed()) return;
      decide_box(b);
    }
  }

  bool small() const { return weight_count(graph_) <= kSmallNetwork; }
  bool by_input() const {
    return options_.branch == "auto" && free_dimensions_ <= options_.input_split_dims;
  }

  /// Input splitting of the clauses' whole boxes, on the whole graph.
  BranchOutcome split_inputs(const std::vector<ClauseRows>& clauses, const Deadline& deadline) {
    const BranchOutcome outcome =
        input_split(engine_.context, clauses, boxes_, oracle_, deadline, memory_ / 2);
    take(outcome, clauses, "input-split");
    end_phase("input-split");
    return outcome;
  }

  void take(const BranchOutcome& outcome, const std::vector<ClauseRows>& clauses, const char* how) {
    result_.domains += outcome.domains;
    result_.open_domains = outcome.open;
    result_.memory["domains"] = std::max<std::uint64_t>(result_.memory["domains"], outcome.bytes);
    for (std::size_t k = 0; k < clauses.size(); ++k) {
      if (!outcome.best_attack.empty()) {
        double& best = best_attack_[clauses[k].clause];
        best = std::min(best, outcome.best_attack[k]);
      }
      ClauseReport& report = result_.clauses[clauses[k].clause];
      if (outcome.clause_refuted[k] != 0) {
        report.decided_by = how;
        report.bound = std::max(report.bound, 0.0);
      } else {
        report.bound =
            std::max(report.bound, std::isfinite(outcome.bound[k]) ? outcome.bound[k] : -HUGE_VAL);
      }
    }
    if (!outcome.refuted && result_.reason.empty()) result_.reason = outcome.reason;
  }

  void decide_box(int b) {
    std::vector<ClauseRows> open;
    for (const ClauseRows& c : clauses_) {
      if (c.box == b) open.push_back(c);
    }
    if (open.empty()) return;
    const Method method = bound::method_of(options_.method);
    const GraphBox& box = boxes_[b];
    std::vector<BranchStart> start;

    Engine* engine = &engine_;
    bound::RootSettings settings;
    settings.method = method == Method::kAlpha ? Method::kCrown : method;
    Root root = bound_root(engine->context, box.lower, box.upper, settings);
    bound_clauses(*engine, root, open, 0, settings.method == Method::kCrown ? "crown" : "interval",
                  start);
    end_phase(settings.method == Method::kCrown ? "crown" : "interval");
    if (open.empty()) return;
    Shrunk first;
    Shrunk second;
    if (method == Method::kAlpha && !late(root)) {
      shrink(root, first, engine);
      settings.method = Method::kAlpha;
      settings.iterations = options_.iterations;
      const bound::Bounds known = std::move(root.bounds);
      settings.known = &known;
      root = bound_root(engine->context, box.lower, box.upper, settings);
      if (!late(root)) bound_clauses(*engine, root, open, options_.spec_iterations, "alpha", start);
      end_phase("alpha");
      if (open.empty()) return;
    }
    result_.unstable_neurons =
        std::max(result_.unstable_neurons, count_unstable(engine->net64.graph(), root.bounds));
    if (late(root)) {
      result_.reason = "time ran out while bounding the root";
      return;
    }
    if (options_.branch == "none") {
      result_.reason = "the bounds of the root do not decide it, and branching is off";
      return;
    }
    if (shrink(root, second, engine)) {
      for (BranchStart& s : start) {
        for (std::size_t v = 0; v < s.alpha.size(); ++v) {
          if (!s.alpha[v].empty())
            s.alpha[v] = second.reduced->select(static_cast<int>(v), s.alpha[v]);
        }
      }
    }
    // ReLUs first; where boxes of the input may do better (few inputs, or a small network), they
    // get a turn.
    const bool turns =
        options_.branch == "auto" && (by_input() || (small() && free_dimensions_ <= kSmallInputs));
    const double now = elapsed_seconds();
    const double left = std::min(deadline_.left(), 600.0);
    bool exhausted = false;  // every ReLU is split, and what stays open is due to other functions
    for (int turn = 0; turn < 3 && !open.empty() && !oracle_.best(); ++turn) {
      if (turn > 0 && (!turns || deadline_.passed())) break;
      if (turn == 2 && exhausted) break;
      const Deadline until(!turns ? HUGE_VAL : turn == 0 ? now + 0.02 * left : now + 0.3 * left);
      const Deadline& deadline = turns && turn < 2 && !exhausted ? until : deadline_;
      result_.reason.clear();
      BranchOutcome outcome;
      if (turn == 1) {
        outcome = split_inputs(open, deadline);
      } else {
        outcome =
            relu_branch(engine->context, root, open, start, boxes_, oracle_, deadline, memory_ / 2);
        take(outcome, open, "branch");
        end_phase("branch");
        exhausted = outcome.open == 0;
      }
      std::size_t to = 0;
      for (std::size_t k = 0; k < open.size(); ++k) {
        if (outcome.clause_refuted[k] != 0) continue;
        if (to != k) {
          open[to] = std::move(open[k]);
          start[to] = std::move(start[k]);
        }
        ++to;
      }
      open.resize(to);
      start.resize(to);
    }
  }

  struct Shrunk {
    std::optional<bound::Reduced> reduced;
    std::unique_ptr<Engine> engine;
  };

  /// Takes dead neurons out of the graph, if that makes it clearly smaller: root and engine then
  /// speak of the new graph.
  bool shrink(Root& root, Shrunk& shrunk, Engine*& engine) {
    if (engine->net32.bytes() == 0)
      return false;  // too large to be held packed, so too large to be copied
    shrunk.reduced = bound::drop_dead_neurons(engine->net64.graph(), root.bounds);
    if (!shrunk.reduced) return false;
    shrunk.engine =
        std::make_unique<Engine>(shrunk.reduced->graph, options_, workers_, deadline_, tracer_);
    engine = shrunk.engine.get();
    root = restate(engine->context, shrunk.reduced->select(root.bounds));
    return true;
  }

  /// Bounds every constraint of the open clauses; takes out the refuted ones; start[k] is then
  /// where clause k's tree begins.
  void bound_clauses(Engine& engine, const Root& root, std::vector<ClauseRows>& open,
                     int iterations, const char* how, std::vector<BranchStart>& start) {
    bound::RowList list;
    list.node = engine.net64.nodes() - 1;
    bool any_input = false;
    for (const ClauseRows& c : open) any_input |= !c.input.empty();
    for (const ClauseRows& c : open) {
      list.dense.insert(list.dense.end(), c.output.begin(), c.output.end());
      list.constant.insert(list.constant.end(), c.constant.begin(), c.constant.end());
      if (!any_input) continue;
      if (c.input.empty()) {
        list.input.resize(
            list.input.size() + static_cast<std::size_t>(c.count) * engine.net64.size(0), 0.0);
      } else {
        list.input.insert(list.input.end(), c.input.begin(), c.input.end());
      }
    }
    bound::OptimiseSettings settings;
    settings.iterations = iterations;
    settings.lr = options_.lr_alpha;
    settings.decay = options_.lr_decay;
    settings.keep_alpha = true;
    const bound::RowBounds rows = bound_rows(engine.context, root, list, settings);
    std::vector<ClauseRows> left;
    start.clear();
    int r = 0;
    for (ClauseRows& c : open) {
      bool refuted = false;
      double best = -HUGE_VAL;
      int best_row = 0;
      for (int i = 0; i < c.count; ++i, ++r) {
        refuted |= std::isfinite(rows.bound[r]) && refutes(rows.bound[r], c.strict[i] != 0);
        if (i == 0 || rows.bound[r] > best) {
          best = rows.bound[r];
          best_row = r;
        }
      }
      ClauseReport& report = result_.clauses[c.clause];
      report.bound = std::max(report.bound, best);
      if (refuted) {
        report.decided_by = how;
        continue;
      }
      BranchStart s;
      s.bound = best;
      s.lambda.assign(c.count, 0.0F);
      if (c.count > 0) s.lambda[best_row - (r - c.count)] = 1;
      s.alpha.resize(rows.alpha.size());
      for (std::size_t v = 0; v < rows.alpha.size(); ++v) {
        if (rows.alpha[v].empty()) continue;
        const std::size_t n = engine.net64.size(static_cast<int>(v));
        s.alpha[v].assign(rows.alpha[v].begin() + best_row * n,
                          rows.alpha[v].begin() + (best_row + 1) * n);
      }
      start.push_back(std::move(s));
      left.push_back(std::move(c));
    }
    open = std::move(left);
  }

  void attack_all(const std::vector<ClauseRows>& clauses, int restarts, int steps,
                  std::uint64_t stream) {
    Progress p;
    p.phase = "attack";
    p.elapsed = elapsed_seconds();
    tracer_.progress(p);
    std::vector<double> best(clauses.size(), HUGE_VAL);
    AttackSettings settings;
    settings.restarts = restarts;
    settings.steps = steps;
    settings.stream = stream;
    attack(engine_.context, clauses, boxes_, oracle_, settings, best);
    for (std::size_t k = 0; k < clauses.size(); ++k) {
      best_attack_[clauses[k].clause] = std::min(best_attack_[clauses[k].clause], best[k]);
    }
  }

  bool late(const Root& root) const { return root.timed_out || deadline_.passed(); }

  void end_phase(const char* name) {
    const double now = elapsed_seconds();
    result_.phases.push_back({name, now - phase_began_});
    phase_began_ = now;
  }

  void finish() {
    result_.best_attack = HUGE_VAL;
    for (double b : best_attack_) result_.best_attack = std::min(result_.best_attack, b);
    result_.memory["weights"] = engine_.net32.bytes() + engine_.net64.bytes();
    result_.memory["resident"] = peak_resident_bytes();
    if (auto point = oracle_.best()) {
      result_.verdict = Verdict::kViolated;
      result_.counterexample = std::move(*point);
      return;
    }
    const bool all = std::all_of(result_.clauses.begin(), result_.clauses.end(),
                                 [](const ClauseReport& c) { return !c.decided_by.empty(); });
    if (all && result_.reason.empty()) {
      result_.verdict = Verdict::kHolds;
      return;
    }
    result_.verdict = deadline_.passed() ? Verdict::kTimeout : Verdict::kUnknown;
    if (result_.verdict == Verdict::kUnknown && oracle_.doubtful()) {
      result_.reason =
          "a point meets the constraints within rounding: whether it does, no bound tells";
    }
    if (result_.reason.empty()) result_.reason = "some clauses are left open";
  }

  const Graph& graph_;
  const Property& property_;
  const Options& options_;
  Tracer& tracer_;
  Workers workers_;
  Deadline deadline_;
  Engine engine_;
  Oracle oracle_;
  double phase_began_;
  std::size_t memory_;
  std::vector<ClauseRows> clauses_;
  std::vector<GraphBox> boxes_;
  std::vector<double> best_attack_;
  int free_dimensions_ = 0;
  Result result_;
};

}  // namespace

Result verify(const Graph& graph, const Property& property, const Evaluate& evaluate,
              const Options& options, Tracer& tracer) {
  return Verification(graph, property, evaluate, options, tracer).run();
}

}  // namespace coronet::search
