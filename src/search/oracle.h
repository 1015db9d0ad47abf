// The only place that may say `violated`: concrete evaluation in double of a float32 point inside
// the box.
#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <vector>

#include "search/spec.h"
#include "spec/property.h"
#include "spec/result.h"

namespace coronet::search {

/// Evaluates the network as written in double: x and the result in the ONNX tensors' order.
using Evaluate = std::function<std::vector<double>(const std::vector<double>&)>;

/// Collects candidates from every thread. A candidate counts if, rounded to float32 inside the box,
/// the double evaluation satisfies every constraint of its clause. One that does so by more than
/// the rounding of a float32 inference ends the search at once; one that barely does ends it a
/// little later, if no better one is found until then.
class Oracle {
 public:
  Oracle(const Graph& graph, const Property& property, Evaluate evaluate);

  /// x in graph order. True if a clear counterexample is known (from this or an earlier call).
  bool offer(int clause, const float* x);
  /// Is the search over: a clear counterexample, or a bare one and some time since?
  [[nodiscard]] bool found() const;
  /// The clear counterexample, or the bare one if there is no clear one.
  [[nodiscard]] std::optional<Counterexample> best() const;

 private:
  const Graph& graph_;
  const Property& property_;
  Evaluate evaluate_;
  mutable std::mutex mutex_;
  std::optional<Counterexample> clear_;
  std::optional<Counterexample> bare_;
  double patience_ends_ = 0;  ///< seconds since process start, once there is a bare one
};

/// The float32 nearest to x inside [lo, hi]; the double nearest to x if no float32 lies there.
double inside(float x, double lo, double hi);

}  // namespace coronet::search
