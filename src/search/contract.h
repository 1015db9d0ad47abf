// Constraint propagation over one box: intervals pushed backwards from the constraints that a
// violating point must satisfy.
#pragma once

#include <vector>

#include "bound/bounds.h"
#include "bound/network.h"
#include "search/spec.h"

namespace coronet::search {

/// Contracts intervals through dense layers and ReLUs (the HC4 revise step of Benhamou et al.
/// 1999); other operators pass nothing on. Rigorous: no point of the box that violates the clause
/// is lost.
class Contractor {
 public:
  explicit Contractor(const bound::Network<double>& net);

  /// Is there anything to gain: a path of dense layers and ReLUs back to the input?
  [[nodiscard]] bool useful() const { return useful_; }

  /// Shrinks domain d's intervals in `bounds`, its input box among them, to what can satisfy all
  /// constraints of the clause. False if nothing can.
  bool contract(const ClauseRows& clause, int d, bound::Bounds& bounds) const;

  /// W of a dense node as [out, in]; empty for other nodes.
  [[nodiscard]] const std::vector<double>& rows(int v) const { return rows_[v]; }

 private:
  bool through_dense(int v, const double* lo, const double* hi, double* u_lo, double* u_hi) const;

  const bound::Network<double>& net_;
  std::vector<std::vector<double>> rows_;  // [nodes] dense layers: W as [out, in]; else empty
  bool useful_ = false;
};

}  // namespace coronet::search
