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

bool Oracle::offer(int clause, const float* x) {
  if (found()) return true;
  const Clause& c = property_.clauses[clause];
  const Box& box = property_.boxes[c.box];
  Counterexample point;
  point.input.resize(property_.inputs);
  for (int i = 0; i < property_.inputs; ++i) {
    const int j = graph_.input_order[i];
    point.input[j] = inside(x[i], box.lower[j], box.upper[j]);
  }
  point.output = evaluate_(point.input);
  bool clear = true;
  for (const Constraint& k : c.constraints) {
    double sum = k.constant;
    double size = std::fabs(k.constant);
    for (const Term& t : k.inputs) {
      sum += t.coefficient * point.input[t.index];
      size += std::fabs(t.coefficient * point.input[t.index]);
    }
    double output_size = 0;
    for (const Term& t : k.outputs) {
      sum += t.coefficient * point.output[t.index];
      output_size += std::fabs(t.coefficient * point.output[t.index]);
    }
    // `sum` itself is off by a few roundings; a point within them is no counterexample of a strict
    // constraint, and one of a closed constraint only if the sum is not positive.
    const bool holds = k.strict ? sum < -8e-16 * (size + output_size) : sum <= 0;
    if (!holds) return found();
    if (!(sum <= -kReplay * (output_size + 1e-3 * size))) clear = false;
  }
  const std::scoped_lock lock(mutex_);
  auto& slot = clear ? clear_ : bare_;
  if (!slot) {
    slot = std::move(point);
    patience_ends_ = 0.1 + 1.2 * elapsed_seconds();
  }
  return clear_.has_value();
}

}  // namespace coronet::search
