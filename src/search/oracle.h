// The only place that may say `violated`: evaluation in intervals of a float32 point inside the
// box.
#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <vector>

#include "base/interval.h"
#include "graph/graph.h"
#include "search/judge.h"
#include "spec/property.h"
#include "spec/result.h"

namespace coronet::search {

/// Intervals around the exact outputs of the network as written: x and the result in the ONNX
/// tensors' order.
using Evaluate = std::function<std::vector<Interval>(const std::vector<double>&)>;

/// Collects candidates from every thread. A candidate counts if, rounded to float32 inside the box,
/// it satisfies every constraint of its clause in exact arithmetic, which is known where the whole
/// of the intervals does. One that does so by more than the rounding of a float32 inference ends
/// the search at once; one that barely does ends it a little later, if no better one is found until
/// then. One of which the intervals cannot tell does not count.
class Oracle final : public Judge {
 public:
  Oracle(const Graph& graph, const Property& property, Evaluate evaluate);

  bool offer(int clause, const float* x) override;
  [[nodiscard]] bool found() const override;
  [[nodiscard]] bool known() const override { return best().has_value(); }
  /// Is there no counterexample, but a candidate too close to tell whether it is one?
  [[nodiscard]] bool doubtful() const;
  /// The clear counterexample, or the bare one if there is no clear one.
  [[nodiscard]] std::optional<Counterexample> best() const;

 private:
  const Graph& graph_;
  const Property& property_;
  Evaluate evaluate_;
  mutable std::mutex mutex_;
  std::optional<Counterexample> clear_;
  std::optional<Counterexample> bare_;
  bool doubt_ = false;
  double patience_ends_ = 0;  ///< seconds since process start, once there is a bare one
};

/// The float32 nearest to x inside [lo, hi]; the double nearest to x if no float32 lies there.
double inside(float x, double lo, double hi);

}  // namespace coronet::search
