#include "search/verify.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

#include "graph/products.h"
#include "search/attack.h"
#include "search/box_search.h"
#include "search/conclude.h"
#include "search/resume.h"
#include "search/run.h"

namespace coronet::search {

namespace {

/// Up to so many weights, and from so many boxes on, input splitting comes first.
constexpr std::size_t kSmallNetwork = 100000;
constexpr std::size_t kManyBoxes = 8;
/// Small networks may have so many inputs for input splitting to be tried beside ReLU splitting.
constexpr int kSmallInputs = 128;

class Verification {
 public:
  Verification(const Graph& graph, const Property& property, const Evaluate& evaluate,
               const Options& options, Tracer& tracer, Continuation continuation,
               bound::Ranks* ranks, MemoryLedger* ledger)
      : graph_(graph),
        property_(property),
        continuation_(std::move(continuation)),
        workers_(options.threads),
        deadline_(options.timeout > 0 ? options.timeout : HUGE_VAL, continuation_.interrupted),
        accelerator_(options, graph, ranks == nullptr),
        whole_(graph, options, workers_, deadline_, tracer, accelerator_.get(), ranks),
        oracle_(graph, property, evaluate),
        run_{options,
             tracer,
             workers_,
             deadline_,
             accelerator_,
             ranks,
             whole_,
             oracle_,
             {},
             0,
             {},
             {},
             elapsed_seconds(),
             continuation_,
             continuation_.save ? identity_of(graph, property, options) : Identity{}} {
    whole_.count_in(ledger);
    run_.memory = options.memory_gib > 0 ? static_cast<std::size_t>(options.memory_gib * 0x1p30)
                                         : machine_memory_bytes() / 5 * 4;
  }

  Result run() {
    for (std::size_t k = 0; k < property_.clauses.size(); ++k) {
      clauses_.push_back(make_clause_rows(graph_, property_, static_cast<int>(k)));
    }
    for (const Box& b : property_.boxes) {
      run_.boxes.push_back(make_graph_box(graph_, b));
      free_dimensions_ = std::max(free_dimensions_, run_.boxes.back().free_dimensions());
    }
    run_.result.clauses.assign(clauses_.size(), {-HUGE_VAL, ""});
    run_.best_attack.assign(clauses_.size(), HUGE_VAL);
    if (continuation_.resume) take_up(std::move(*continuation_.resume));
    decide();
    finish();
    return std::move(run_.result);
  }

 private:
  void decide() {
    if (clauses_.empty()) return;  // nothing can satisfy the query
    if (run_.options.attack && !run_.attacked) {
      first_attack();
      run_.end_phase("attack");
      if (oracle_.found()) return;
      run_.attacked = !deadline_.passed();
    }
    for (GraphBox& b : run_.boxes) b = around(std::move(b));
    if (run_.options.branch == "input" ||
        (by_input() && (small() || run_.boxes.size() > kManyBoxes))) {
      // Halving boxes of a small network decides sooner than any other bound is made; so it does
      // for many boxes.
      split_all_inputs();
      return;
    }
    const bool input_turns = run_.options.branch == "auto" &&
                             (by_input() || (small() && free_dimensions_ <= kSmallInputs));
    // A box that stays open does not end the search: another one may be violated. The box that was
    // under way comes first.
    const int boxes = static_cast<int>(run_.boxes.size());
    const int first = under_way_ ? under_way_->box : 0;
    bool saved = false;
    for (int i = 0; i < boxes; ++i) {
      if (oracle_.found()) return;
      if (deadline_.passed()) {
        if (!saved) run_.save(std::move(under_way_), 0);
        return;
      }
      const int b = (first + i) % boxes;
      BoxSearch search(run_, b, open_clauses(b), input_turns, std::exchange(under_way_, nullptr));
      saved = !search.decide();
    }
  }

  [[nodiscard]] bool open(const ClauseRows& c) const {
    return run_.result.clauses[c.clause].decided_by.empty();
  }
  [[nodiscard]] std::vector<ClauseRows> open_clauses(int box) const {
    std::vector<ClauseRows> list;
    for (const ClauseRows& c : clauses_) {
      if (c.box == box && open(c)) list.push_back(c);
    }
    return list;
  }

  void split_all_inputs() {
    std::vector<ClauseRows> list;
    for (const ClauseRows& c : clauses_) {
      if (open(c)) list.push_back(c);
    }
    const Saving saving{[&] { return run_.save_due(); },
                        [&](std::int64_t domains) { run_.save(nullptr, domains); }};
    const BranchOutcome outcome = run_.split_inputs(list, deadline_, saving);
    if (!outcome.refuted && !oracle_.found()) run_.save(nullptr, 0);
  }

  /// Goes on where an earlier run ended.
  void take_up(Checkpoint&& checkpoint) {
    check_fits(checkpoint, graph_, property_, run_.options);
    run_.seconds_before = checkpoint.seconds;
    run_.attacked = checkpoint.attacked;
    run_.result.domains = checkpoint.domains;
    run_.result.unstable_neurons = checkpoint.unstable_neurons;
    run_.result.clauses = std::move(checkpoint.clauses);
    run_.result.phases.push_back({"earlier runs", checkpoint.seconds});
    run_.best_attack = std::move(checkpoint.best_attack);
    run_.inputs = std::move(checkpoint.inputs);
    under_way_ = std::move(checkpoint.box);
  }

  bool small() const { return products(graph_) <= kSmallNetwork; }
  bool by_input() const {
    return run_.options.branch == "auto" && free_dimensions_ <= run_.options.input_split_dims;
  }

  /// A short attack: most violated properties fall at once, and the others lose little time.
  void first_attack() {
    Progress p;
    p.phase = "attack";
    p.elapsed = elapsed_seconds();
    run_.tracer.progress(p);
    const AttackSettings settings = short_attack(run_.options, clauses_.size());
    attack(whole_.context, clauses_, run_.boxes, oracle_, settings, run_.best_attack);
  }

  void finish() {
    Result& result = run_.result;
    result.best_attack = least(run_.best_attack);
    if (whole_.context.ledger != nullptr) {
      const MemoryUsage usage = whole_.context.ledger->usage();
      for (int i = 0; i < kMemoryClasses; ++i) {
        if (usage.by[i].most > 0) result.memory[name_of(memory_class(i))] = usage.by[i].most;
      }
      result.memory["counted"] = usage.total.most;
    }
    result.memory["resident"] = peak_resident_bytes();
    if (run_.ranks != nullptr) result.ranks = run_.ranks->reports();
    if (accelerator_.get() != nullptr) {
      for (const auto& [tensor, bytes] : accelerator_.get()->memory())
        result.memory["device " + tensor] = bytes;
    }
    conclude(result, oracle_, deadline_);
  }

  const Graph& graph_;
  const Property& property_;
  Continuation continuation_;
  Workers workers_;
  Deadline deadline_;
  bound::LateAccelerator accelerator_;
  Prepared whole_;
  Oracle oracle_;
  Run run_;
  std::vector<ClauseRows> clauses_;
  std::shared_ptr<BoxProgress> under_way_;  ///< of an earlier run, until it is taken up
  int free_dimensions_ = 0;
};

}  // namespace

Result verify(const Graph& graph, const Property& property, const Evaluate& evaluate,
              const Options& options, Tracer& tracer, Continuation continuation,
              bound::Ranks* ranks, MemoryLedger* ledger) {
  return Verification(graph, property, evaluate, options, tracer, std::move(continuation), ranks,
                      ledger)
      .run();
}

}  // namespace coronet::search
