#include "search/verify.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

#include "graph/products.h"
#include "search/attack.h"
#include "search/box_search.h"
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
               const Options& options, Tracer& tracer, bound::Ranks* ranks)
      : graph_(graph),
        property_(property),
        workers_(options.threads),
        deadline_(options.timeout > 0 ? options.timeout : HUGE_VAL),
        accelerator_(options, graph, ranks == nullptr),
        whole_(graph, options, workers_, deadline_, tracer, accelerator_.get(), ranks),
        oracle_(graph, property, evaluate),
        run_{options, tracer, workers_, deadline_, accelerator_, ranks, whole_, oracle_,
             {},      0,      {},       {},        elapsed_seconds()} {
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
    decide();
    finish();
    return std::move(run_.result);
  }

 private:
  void decide() {
    if (clauses_.empty()) return;  // nothing can satisfy the query
    if (run_.options.attack) {
      first_attack();
      run_.end_phase("attack");
      if (oracle_.found()) return;
    }
    // Bounds hold for the box of the decimals as written: the doubles nearest to them are widened
    // by one unit.
    for (GraphBox& b : run_.boxes) {
      for (double& x : b.lower) x = bound::down(x);
      for (double& x : b.upper) x = bound::up(x);
    }
    if (run_.options.branch == "input" ||
        (by_input() && (small() || run_.boxes.size() > kManyBoxes))) {
      // Halving boxes of a small network decides sooner than any other bound is made; so it does
      // for many boxes.
      run_.split_inputs(clauses_, deadline_);
      return;
    }
    const bool input_turns = run_.options.branch == "auto" &&
                             (by_input() || (small() && free_dimensions_ <= kSmallInputs));
    // A box that stays open does not end the search: another one may be violated.
    for (int b = 0; b < static_cast<int>(run_.boxes.size()); ++b) {
      if (oracle_.found() || deadline_.passed()) return;
      std::vector<ClauseRows> open;
      for (const ClauseRows& c : clauses_) {
        if (c.box == b) open.push_back(c);
      }
      BoxSearch(run_, b, std::move(open), input_turns).decide();
    }
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
    AttackSettings settings;
    settings.restarts = std::clamp<int>(512 / static_cast<int>(clauses_.size()), 1, 8);
    settings.steps = std::min(20, run_.options.attack_steps);
    settings.stream = 1;
    attack(whole_.context, clauses_, run_.boxes, oracle_, settings, run_.best_attack);
  }

  void finish() {
    Result& result = run_.result;
    result.best_attack = HUGE_VAL;
    for (double b : run_.best_attack) result.best_attack = std::min(result.best_attack, b);
    result.memory["weights"] = whole_.net32.bytes() + whole_.net64.bytes();
    result.memory["resident"] = peak_resident_bytes();
    if (run_.ranks != nullptr) result.ranks = run_.ranks->reports();
    if (accelerator_.get() != nullptr) {
      for (const auto& [tensor, bytes] : accelerator_.get()->memory())
        result.memory["device " + tensor] = bytes;
    }
    if (auto point = oracle_.best()) {
      result.verdict = Verdict::kViolated;
      result.counterexample = std::move(*point);
      return;
    }
    const bool all = std::all_of(result.clauses.begin(), result.clauses.end(),
                                 [](const ClauseReport& c) { return !c.decided_by.empty(); });
    if (all) {
      result.verdict = Verdict::kHolds;
      result.reason.clear();  // of a turn that ended early
      result.open_domains = 0;
      return;
    }
    result.verdict = deadline_.passed() ? Verdict::kTimeout : Verdict::kUnknown;
    if (result.verdict == Verdict::kUnknown && oracle_.doubtful()) {
      result.reason =
          "a point meets the constraints within rounding: whether it does, no bound tells";
    }
    if (result.reason.empty()) result.reason = "some clauses are left open";
  }

  const Graph& graph_;
  const Property& property_;
  Workers workers_;
  Deadline deadline_;
  bound::LateAccelerator accelerator_;
  Prepared whole_;
  Oracle oracle_;
  Run run_;
  std::vector<ClauseRows> clauses_;
  int free_dimensions_ = 0;
};

}  // namespace

Result verify(const Graph& graph, const Property& property, const Evaluate& evaluate,
              const Options& options, Tracer& tracer, bound::Ranks* ranks) {
  return Verification(graph, property, evaluate, options, tracer, ranks).run();
}

}  // namespace coronet::search
