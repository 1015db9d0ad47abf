#include "search/verify_together.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "bound/root.h"
#include "search/attack.h"
#include "search/clause_list.h"
#include "search/conclude.h"
#include "search/input_split.h"
#include "search/prepared.h"
#include "search/spec.h"

namespace coronet::search {

namespace {

class Together {
 public:
  Together(bound::TensorRun& run, const Graph& graph, const Property& property,
           const Evaluate& evaluate, const Options& options, Tracer& tracer)
      : run_(run),
        graph_(graph),
        property_(property),
        options_(options),
        tracer_(tracer),
        workers_(options.threads),
        deadline_(options.timeout > 0 ? options.timeout : HUGE_VAL),
        whole_(graph, options, workers_, deadline_, tracer, nullptr),
        oracle_(graph, property, evaluate) {}

  Result run() {
    for (std::size_t k = 0; k < property_.clauses.size(); ++k) {
      clauses_.push_back(make_clause_rows(graph_, property_, static_cast<int>(k)));
    }
    for (const Box& b : property_.boxes) boxes_.push_back(make_graph_box(graph_, b));
    result_.clauses.assign(clauses_.size(), {-HUGE_VAL, ""});
    best_attack_.assign(clauses_.size(), HUGE_VAL);
    decide();
    result_.best_attack = least(best_attack_);
    result_.memory["resident"] = peak_resident_bytes();
    conclude(result_, oracle_, deadline_);
    return std::move(result_);
  }

 private:
  void decide() {
    if (clauses_.empty()) return;  // nothing can satisfy the query
    if (options_.attack) {
      attack_open(short_attack(options_, clauses_.size()));
      if (oracle_.found()) return;
    }
    const bound::Method method = bound::method_of(options_.method);
    const bool halves = by_input();
    for (int b = 0; b < static_cast<int>(boxes_.size()); ++b) {
      // What plain slopes refute needs no better ones; where there are few inputs, halves of the
      // box do more than those.
      bound_box(b, method == bound::Method::kInterval ? method : bound::Method::kCrown);
      if (method == bound::Method::kAlpha && !halves) bound_box(b, method);
    }
    if (open().empty() || deadline_.passed()) return;
    if (options_.attack) {
      AttackSettings settings;
      settings.restarts = options_.attack_restarts;
      settings.steps = options_.attack_steps;
      settings.stream = 2;
      attack_open(settings);
    }
    if (halves) {
      split_inputs();
    } else {
      result_.reason =
          "the bounds of the root leave clauses open: ranks that share the neurons split inputs "
          "only, where there are few or with --branch input";
    }
  }

  /// Are boxes halved?
  [[nodiscard]] bool by_input() const {
    if (options_.branch != "auto") return options_.branch == "input";
    return std::all_of(boxes_.begin(), boxes_.end(), [&](const GraphBox& box) {
      return box.free_dimensions() <= options_.input_split_dims;
    });
  }

  void split_inputs() {
    if (oracle_.found()) return;
    const std::vector<ClauseRows> list = open();
    std::vector<GraphBox> boxes;
    for (const GraphBox& box : boxes_) boxes.push_back(around(box));
    const std::size_t memory = options_.memory_gib > 0
                                   ? static_cast<std::size_t>(options_.memory_gib * 0x1p30)
                                   : machine_memory_bytes() / 5 * 4;
    InputTree tree;
    const BranchOutcome outcome =
        input_split(run_, whole_.context, list, boxes, tree, oracle_,
                    {deadline_, memory / 2, {}, nullptr, true}, result_.ranks);
    note_outcome(outcome, list, "input-split", result_, best_attack_);
    end_phase("input-split");
  }

  /// The clauses that are not decided; of one box, or of all.
  [[nodiscard]] std::vector<ClauseRows> open(int box = -1) const {
    std::vector<ClauseRows> list;
    for (const ClauseRows& c : clauses_) {
      if ((box < 0 || c.box == box) && result_.clauses[c.clause].decided_by.empty()) {
        list.push_back(c);
      }
    }
    return list;
  }

  void say(const char* phase) {
    Progress p;
    p.phase = phase;
    p.elapsed = elapsed_seconds();
    tracer_.progress(p);
  }

  void end_phase(const char* name) {
    const double now = elapsed_seconds();
    result_.phases.push_back({name, now - std::exchange(phase_began_, now)});
  }

  void attack_open(const AttackSettings& settings) {
    say("attack");
    const std::vector<ClauseRows> list = open();
    std::vector<double> best(list.size(), HUGE_VAL);
    attack(whole_.context, list, boxes_, oracle_, settings, best);
    for (std::size_t k = 0; k < list.size(); ++k) {
      double& so_far = best_attack_[list[k].clause];
      so_far = std::min(so_far, best[k]);
    }
    end_phase("attack");
  }

  void bound_box(int box, bound::Method method) {
    const std::vector<ClauseRows> list = open(box);
    if (list.empty() || deadline_.passed()) return;
    const char* how = method == bound::Method::kInterval ? "interval"
                      : method == bound::Method::kCrown  ? "crown"
                                                         : "alpha";
    say(how);
    const GraphBox around_it = around(boxes_[box]);
    bound::TensorQuery query;
    query.lower = around_it.lower;
    query.upper = around_it.upper;
    query.method = method;
    query.iterations = options_.iterations;
    query.all_neurons = false;
    query.forms = list_of(list, static_cast<int>(graph_.nodes.size()) - 1, graph_.inputs());
    query.form_settings.iterations = method == bound::Method::kAlpha ? options_.spec_iterations : 0;
    query.form_settings.lr = options_.lr_alpha;
    query.form_settings.decay = options_.lr_decay;
    query.seconds = deadline_.left();
    run_.more(true);
    const bound::FoundBounds found = run_.bound(&query);
    const ClauseBounds bounds = bounds_of(list, found.forms);
    for (std::size_t k = 0; k < list.size(); ++k) {
      ClauseReport& report = result_.clauses[list[k].clause];
      report.bound = std::max(report.bound, bounds.best[k]);
      if (bounds.refuted[k] != 0) report.decided_by = how;
    }
    result_.unstable_neurons = bound::count_unstable(graph_, found.bounds);
    result_.ranks = found.ranks;
    for (int i = 0; i < kMemoryClasses; ++i) {
      if (found.memory.by[i].most > 0)
        result_.memory[name_of(memory_class(i))] = found.memory.by[i].most;
    }
    result_.memory["counted"] = found.memory.total.most;
    end_phase(how);
  }

  bound::TensorRun& run_;
  const Graph& graph_;
  const Property& property_;
  const Options& options_;
  Tracer& tracer_;
  Workers workers_;
  Deadline deadline_;
  Prepared whole_;
  Oracle oracle_;
  std::vector<ClauseRows> clauses_;
  std::vector<GraphBox> boxes_;
  std::vector<double> best_attack_;  // [clauses of the property]
  double phase_began_ = elapsed_seconds();
  Result result_;
};

}  // namespace

Result verify_together(bound::TensorRun& run, const Graph& graph, const Property& property,
                       const Evaluate& evaluate, const Options& options, Tracer& tracer) {
  return Together(run, graph, property, evaluate, options, tracer).run();
}

}  // namespace coronet::search
