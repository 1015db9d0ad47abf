#include "spec/normalize.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/error.h"
#include "spec/located_error.h"

namespace coronet {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

std::uint64_t mix(std::uint64_t x) {  // the finisher of splitmix64
  x ^= x >> 30;
  x *= 0xbf58476d1ce4e5b9ULL;
  x ^= x >> 27;
  x *= 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

/// Depth first over the choices of the tree's `or`s, with one box that is tightened and restored:
/// what stands before a choice is done once for all clauses behind it, and an empty box cuts off
/// all of them.
class Expansion {
 public:
  Expansion(const Formula& formula, const std::function<InputReference(int)>& input,
            Property& property, const NormalizeLimits& limits, bool count_only)
      : formula_(formula),
        input_(input),
        property_(property),
        limits_(limits),
        count_only_(count_only),
        most_steps_(limits.steps + 10 * formula.nodes.size()),
        lower_(static_cast<std::size_t>(property.inputs), -kInfinity),
        upper_(static_cast<std::size_t>(property.inputs), kInfinity),
        seen_(static_cast<std::size_t>(property.inputs), 0) {}

  void run() {
    bool open = visit(formula_.root);
    while (open || backtrack()) {
      open = true;
      if (agenda_ == kNothing) {
        emit();
        open = false;
      } else {
        open = visit(take());
      }
    }
  }

 private:
  static constexpr std::uint32_t kNothing = std::numeric_limits<std::uint32_t>::max();

  /// The children of `node` from the `next`-th on, and then the cell `rest`, are still to be
  /// satisfied.
  struct Cell {
    std::uint32_t node;
    std::uint32_t next;
    std::uint32_t rest;
  };
  struct Choice {
    std::uint32_t node;
    std::uint32_t next;  ///< child to try next
    std::uint32_t agenda;
    std::size_t cells;
    std::size_t trail;
    std::size_t active;
  };
  struct Change {
    std::uint32_t input;
    bool lower;
    double old;
  };

  std::uint32_t child(std::uint32_t node, std::uint32_t position) const {
    return formula_.children[formula_.nodes[node].index + position];
  }

  // Takes the next node off the agenda. Cells older than the last choice are shared with its other
  // branches: they are copied.
  std::uint32_t take() {
    const Cell cell = cells_[agenda_];
    const bool own = agenda_ >= (choices_.empty() ? 0 : choices_.back().cells);
    const bool last = agenda_ + 1 == cells_.size();
    if (cell.next + 1 == formula_.nodes[cell.node].count) {
      if (own && last) cells_.pop_back();
      agenda_ = cell.rest;
    } else if (own) {
      ++cells_[agenda_].next;
    } else {
      cells_.push_back({cell.node, cell.next + 1, cell.rest});
      agenda_ = static_cast<std::uint32_t>(cells_.size() - 1);
    }
    return child(cell.node, cell.next);
  }

  // Adds a node to what must hold; false if that is impossible.
  bool visit(std::uint32_t id) {
    if (++steps_ > most_steps_) too_large("steps of multiplying out", most_steps_);
    for (;;) {
      const Node& node = formula_.nodes[id];
      switch (node.kind) {
        case NodeKind::kFalse:
          return false;
        case NodeKind::kTrue:
          return true;
        case NodeKind::kLower:
        case NodeKind::kUpper:
          if (node.strict) active_.push_back(id);
          return tighten(node);
        case NodeKind::kConstraint:
          active_.push_back(id);
          return true;
        case NodeKind::kAnd:
          if (node.count > 0) {
            cells_.push_back({id, 0, agenda_});
            agenda_ = static_cast<std::uint32_t>(cells_.size() - 1);
          }
          return true;
        case NodeKind::kOr:
          if (!branched_) {
            branched_ = true;
            common_trail_ = trail_.size();
          }
          offset_ = node.offset;
          choices_.push_back({id, 1, agenda_, cells_.size(), trail_.size(), active_.size()});
          id = child(id, 0);
          break;
      }
    }
  }

  bool tighten(const Node& node) {
    const std::uint32_t i = node.index;
    const bool lower = node.kind == NodeKind::kLower;
    double& bound = lower ? lower_[i] : upper_[i];
    if (lower ? node.bound > bound : node.bound < bound) {
      trail_.push_back({i, lower, bound});
      bound = node.bound;
    }
    return lower_[i] <= upper_[i];
  }

  // Goes to the next untried branch; false if there is none.
  bool backtrack() {
    while (!choices_.empty()) {
      Choice& choice = choices_.back();
      cells_.resize(choice.cells);
      agenda_ = choice.agenda;
      active_.resize(choice.active);
      for (; trail_.size() > choice.trail; trail_.pop_back()) {
        const Change& change = trail_.back();
        (change.lower ? lower_ : upper_)[change.input] = change.old;
      }
      const std::uint32_t next = child(choice.node, choice.next);
      offset_ = formula_.nodes[choice.node].offset;
      if (++choice.next == formula_.nodes[choice.node].count) choices_.pop_back();
      if (visit(next)) return true;
    }
    return false;
  }

  void emit() {
    if (++clauses_ > limits_.clauses) too_large("clauses", limits_.clauses);
    if (count_only_) return;
    Clause clause;
    clause.box = box();
    clause.constraints.reserve(active_.size());
    for (const std::uint32_t id : active_) add_constraint(formula_.nodes[id], clause);
    constraints_ += clause.constraints.size();
    if (constraints_ > limits_.constraints) too_large("constraints", limits_.constraints);
    property_.clauses.push_back(std::move(clause));
  }

  void add_constraint(const Node& node, Clause& clause) const {
    if (node.kind == NodeKind::kConstraint) {
      clause.constraints.push_back(formula_.constraints[node.index]);
      return;
    }
    const bool lower = node.kind == NodeKind::kLower;
    // A strict bound inside the box's own tighter one says nothing.
    if (lower ? lower_[node.index] > node.bound : upper_[node.index] < node.bound) return;
    Constraint constraint;
    constraint.inputs.push_back({static_cast<int>(node.index), lower ? -1.0 : 1.0});
    constraint.constant = (lower ? node.bound : -node.bound) + 0.0;
    constraint.strict = true;
    clause.constraints.push_back(std::move(constraint));
  }

  // The number of the present box among the property's. Boxes are told apart by what was tightened
  // behind the first choice (all share what was before it): comparing whole boxes would cost inputs
  // * clauses.
  int box() {
    ++stamp_;
    std::uint64_t hash = 0;
    std::size_t changed = 0;
    const auto each_changed = [&](auto&& use) {
      for (std::size_t i = branched_ ? common_trail_ : trail_.size(); i < trail_.size(); ++i) {
        const std::uint32_t input = trail_[i].input;
        if (seen_[input] == stamp_) continue;
        seen_[input] = stamp_;
        use(input);
      }
    };
    each_changed([&](std::uint32_t i) {
      ++changed;
      hash += mix(i + mix(std::bit_cast<std::uint64_t>(lower_[i]) +
                          mix(std::bit_cast<std::uint64_t>(upper_[i]))));
    });
    const auto [begin, end] = by_hash_.equal_range(hash);
    for (auto known = begin; known != end; ++known) {
      const auto id = static_cast<std::size_t>(known->second);
      const Box& other = property_.boxes[id];
      bool equal = box_changes_[id] == changed;
      ++stamp_;
      each_changed([&](std::uint32_t i) {
        equal = equal && other.lower[i] == lower_[i] && other.upper[i] == upper_[i];
      });
      if (equal) return known->second;
    }
    require_bounds();
    if ((property_.boxes.size() + 1) * std::max<std::size_t>(lower_.size(), 1) >
        limits_.box_entries) {
      too_large("bounds in its boxes", limits_.box_entries);
    }
    const int id = static_cast<int>(property_.boxes.size());
    property_.boxes.push_back({lower_, upper_});
    box_changes_.push_back(changed);
    by_hash_.emplace(hash, id);
    return id;
  }

  void require_bounds() const {
    for (std::size_t i = 0; i < lower_.size(); ++i) {
      if (std::isfinite(lower_[i]) && std::isfinite(upper_[i])) continue;
      const InputReference input = input_(static_cast<int>(i));
      const char* side = std::isfinite(lower_[i])   ? "upper bound"
                         : std::isfinite(upper_[i]) ? "lower bound"
                                                    : "bounds";
      throw LocatedError(ErrorKind::kUnsupported, input.offset,
                         fmt::format("input {} has no {}: every input must be bounded on both "
                                     "sides in every disjunct",
                                     input.name, side));
    }
  }

  [[noreturn]] void too_large(const char* what, std::uint64_t limit) const {
    throw LocatedError(ErrorKind::kUnsupported, offset_,
                       fmt::format("the query has more than {} {} when its disjunctions are "
                                   "multiplied out",
                                   limit, what));
  }

  const Formula& formula_;
  const std::function<InputReference(int)>& input_;
  Property& property_;
  const NormalizeLimits& limits_;
  const bool count_only_;
  const std::uint64_t most_steps_;

  std::vector<double> lower_;
  std::vector<double> upper_;
  std::vector<Change> trail_;
  std::vector<std::uint32_t> active_;  ///< constraints and strict bounds that hold here
  std::vector<Cell> cells_;
  std::vector<Choice> choices_;
  std::uint32_t agenda_ = kNothing;
  bool branched_ = false;
  std::size_t common_trail_ = 0;  ///< trail before the first choice
  std::size_t offset_ = 0;        ///< of the last choice
  std::uint64_t steps_ = 0;
  std::size_t clauses_ = 0;
  std::size_t constraints_ = 0;

  std::unordered_multimap<std::uint64_t, int> by_hash_;
  std::vector<std::size_t> box_changes_;  ///< inputs by which each box differs from the common one
  std::vector<std::uint64_t> seen_;
  std::uint64_t stamp_ = 0;
};

// How many clauses there would be if no box were empty.
double most_clauses(const Formula& formula) {
  std::vector<double> counts(formula.nodes.size(), 1);
  for (std::size_t i = 0; i < formula.nodes.size(); ++i) {
    const Node& node = formula.nodes[i];
    if (node.kind != NodeKind::kAnd && node.kind != NodeKind::kOr) continue;
    double count = node.kind == NodeKind::kAnd ? 1 : 0;
    for (std::uint32_t k = 0; k < node.count; ++k) {
      const double inner = counts[formula.children[node.index + k]];
      count = node.kind == NodeKind::kAnd ? count * inner : count + inner;
    }
    counts[i] = count;
  }
  return counts[formula.root];
}

}  // namespace

void normalize(const Formula& formula, const std::function<InputReference(int)>& input,
               Property& property, const NormalizeLimits& limits) {
  // Where there may be too many, they are counted before memory is spent on them.
  if (most_clauses(formula) > static_cast<double>(limits.clauses)) {
    Expansion(formula, input, property, limits, true).run();
  }
  Expansion(formula, input, property, limits, false).run();
}

}  // namespace coronet
