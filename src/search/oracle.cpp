#include "search/oracle.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/resources.h"

namespace coronet::search {

namespace {

/// What a float32 inference of a deep network can be off by, relative to the numbers compared: not
/// a proof, only what makes a counterexample robust against whoever replays it in float32.
constexpr double kReplay = 1e-5;

/// What a constraint says of one point.
struct Check {
  Interval value;   ///< its left-hand side
  double size = 0;  ///< the absolute values of its terms in the inputs, summed
  double output_size = 0;

  [[nodiscard]] bool holds(bool strict) const {
    return strict ? value.upper() < 0 : value.upper() <= 0;
  }
  [[nodiscard]] bool fails(bool strict) const {
    return !(strict ? value.lower() < 0 : value.lower() <= 0);
  }
  /// By more than a replay in float32 would take away.
  [[nodiscard]] bool clear() const {
    return value.upper() <= -kReplay * (output_size + 1e-3 * size);
  }
};

Check check(const Constraint& constraint, const std::vector<double>& x,
            const std::vector<Interval>& y) {
  Check c;
  c.value = constraint.constant;
  c.size = std::fabs(constraint.constant);
  for (const Term& t : constraint.inputs) {
    const Interval term = Interval(t.coefficient) * Interval(x[t.index]);
    c.value += term;
    c.size += std::fabs(term.upper());
  }
  for (const Term& t : constraint.outputs) {
    const Interval term = Interval(t.coefficient) * y[t.index];
    c.value += term;
    c.output_size += std::fabs(term.upper());
  }
  return c;
}

}  // namespace

double inside(float x, double lo, double hi) {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  float f = x;
  if (!(f >= lo)) f = static_cast<float>(lo);
  if (!(f <= hi)) f = static_cast<float>(hi);
  if (static_cast<double>(f) < lo) f = std::nextafter(f, kInf);
  if (static_cast<double>(f) > hi) f = std::nextafter(f, -kInf);
  if (f >= lo && f <= hi) return f;
  return x >= lo ? std::min(static_cast<double>(x), hi) : lo;  // lo for NaN too
}

Oracle::Oracle(const Graph& graph, const Property& property, Evaluate evaluate)
    : graph_(graph), property_(property), evaluate_(std::move(evaluate)) {}

bool Oracle::found() const {
  const std::scoped_lock lock(mutex_);
  return clear_.has_value() || (bare_.has_value() && elapsed_seconds() > patience_ends_);
}

std::optional<Counterexample> Oracle::best() const {
  const std::scoped_lock lock(mutex_);
  return clear_ ? clear_ : bare_;
}

bool Oracle::doubtful() const {
  const std::scoped_lock lock(mutex_);
  return doubt_ && !clear_ && !bare_;
}

bool Oracle::offer(int clause, const float* x) {
  if (found()) return true;
  const Clause& c = property_.clauses.at(clause);
  const Box& box = property_.boxes[c.box];
  Counterexample point;
  point.input.resize(property_.inputs);
  for (int i = 0; i < property_.inputs; ++i) {
    const int j = graph_.input_order[i];
    point.input[j] = inside(x[i], box.lower[j], box.upper[j]);
  }
  const std::vector<Interval> y = evaluate_(point.input);
  bool holds = true;
  bool fails = false;
  bool clear = true;
  rounded_upward([&] {
    for (const Constraint& k : c.constraints) {
      const Check seen = check(k, point.input, y);
      holds = holds && seen.holds(k.strict);
      fails = fails || seen.fails(k.strict);
      clear = clear && seen.clear();
    }
  });
  // A network that has no number there has no counterexample there either.
  for (const Interval& v : y) fails = fails || std::isnan(v.lower()) || std::isnan(v.upper());
  if (fails) return found();
  for (const Interval& v : y) {
    point.output.push_back(v.exact() ? v.upper() : v.lower() + (v.upper() - v.lower()) / 2);
  }
  const std::scoped_lock lock(mutex_);
  if (!holds) {
    doubt_ = true;
    return clear_.has_value();
  }
  auto& slot = clear ? clear_ : bare_;
  if (!slot) {
    slot = std::move(point);
    patience_ends_ = 0.1 + 1.2 * elapsed_seconds();
  }
  return clear_.has_value();
}

}  // namespace coronet::search
