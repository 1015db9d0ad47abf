// What those who look for counterexamples need of whoever decides what is one.
#pragma once

namespace coronet::search {

/// The oracle itself, or on another rank the way to it. From any thread.
class Judge {
 public:
  virtual ~Judge() = default;
  /// x in graph order. True if a clear counterexample is known (from this or an earlier call).
  virtual bool offer(int clause, const float* x) = 0;
  /// Is the search over: a clear counterexample, or a bare one and some time since?
  [[nodiscard]] virtual bool found() const = 0;
  /// Is any counterexample known, clear or bare?
  [[nodiscard]] virtual bool known() const = 0;
};

}  // namespace coronet::search
