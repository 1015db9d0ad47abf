#include "search/contract.h"

#include <algorithm>
#include <cmath>

namespace coronet::search {

namespace {

using bound::gamma;

/// Given sum_j a_j x_j + b <= 0 (less `slack`, which covers rounding here and, in `roundings` and
/// in `hidden` terms of b, before), shrinks the box of x. False if it cannot hold.
bool revise(const double* a, int n, double b, double hidden, int roundings, double* lo,
            double* hi) {
  double least = b;
  double size = std::fabs(b) + hidden;
  for (int j = 0; j < n; ++j) {
    const double term = a[j] * (a[j] >= 0 ? lo[j] : hi[j]);
    least += term;
    size += std::fabs(term);
  }
  const double slack = gamma(2.0 * n + 16 + roundings) * size + bound::underflow(2.0 * n + 16);
  if (!std::isfinite(least)) return true;
  if (least - slack > 0) return false;
  for (int j = 0; j < n; ++j) {
    if (a[j] == 0 || !(lo[j] < hi[j])) continue;
    const double own = a[j] * (a[j] >= 0 ? lo[j] : hi[j]);
    // a_j x_j <= -(least - own), so x_j moves at most this far from its end.
    const double room = (-(least - own) + slack) / a[j];
    const double wide = std::fabs(room) * 0x1p-50;
    if (a[j] > 0) {
      hi[j] = std::max(lo[j], std::min(hi[j], bound::up(room + wide)));
    } else {
      lo[j] = std::min(hi[j], std::max(lo[j], bound::down(room - wide)));
    }
  }
  return true;
}

}  // namespace

Contractor::Contractor(const bound::Network<double>& net) : net_(net), rows_(net.nodes()) {
  for (int v = 1; v < net.nodes(); ++v) {
    const auto* dense = std::get_if<Dense>(&net.graph().nodes[v].op);
    // A weight that is not here has no place for a copy of it either: the box stays wider there.
    if (dense == nullptr || !dense->weight.here()) continue;
    rows_[v].resize(dense->weight.size());
    for (std::size_t i = 0; i < rows_[v].size(); ++i) rows_[v][i] = dense->weight.at(i);
    useful_ |= net.inputs(v)[0] == 0;
  }
}

bool Contractor::through_dense(int v, const double* lo, const double* hi, double* u_lo,
                               double* u_hi) const {
  const int n = net_.size(net_.inputs(v)[0]);
  std::vector<double> negative(n);
  const int roundings = std::get<Dense>(net_.graph().nodes[v].op).precision.roundings;
  for (int i = 0; i < net_.size(v); ++i) {
    const double* w = rows_[v].data() + static_cast<std::size_t>(i) * n;
    const double b = net_.affine(v)->bias_of(i);
    // What is off by rounding in b shows in b - hi too, however small that is.
    const double hidden = roundings == 0 ? 0 : net_.affine(v)->hidden(i) + std::fabs(b);
    // W u + b <= hi and -W u - b <= -lo; the subtraction's rounding is within the slack.
    if (std::isfinite(hi[i]) && !revise(w, n, b - hi[i], hidden, roundings, u_lo, u_hi))
      return false;
    if (!std::isfinite(lo[i])) continue;
    for (int j = 0; j < n; ++j) negative[j] = -w[j];
    if (!revise(negative.data(), n, lo[i] - b, hidden, roundings, u_lo, u_hi)) return false;
  }
  return true;
}

bool Contractor::contract(const ClauseRows& clause, int d, bound::Bounds& bounds) const {
  const auto lo = [&](int v) {
    return bounds.lo[v].data() + static_cast<std::size_t>(d) * net_.size(v);
  };
  const auto hi = [&](int v) {
    return bounds.hi[v].data() + static_cast<std::size_t>(d) * net_.size(v);
  };
  const int output = net_.nodes() - 1;
  const int outputs = net_.size(output);
  for (int i = 0; i < clause.count; ++i) {
    if (!clause.input.empty()) continue;
    const double* c = clause.output.data() + static_cast<std::size_t>(i) * outputs;
    if (!revise(c, outputs, clause.constant[i], 0, 0, lo(output), hi(output))) return false;
  }
  for (int v = output; v > 0; --v) {
    const int u = net_.inputs(v)[0];
    if (!rows_[v].empty()) {
      if (!through_dense(v, lo(v), hi(v), lo(u), hi(u))) return false;
      continue;
    }
    const Relu* relu = std::get_if<Relu>(&net_.graph().nodes[v].op);
    if (relu == nullptr || relu->negative_slope != 0) continue;
    for (int j = 0; j < net_.size(v); ++j) {
      // relu(u) <= hi: u <= hi, for hi >= 0; relu(u) >= lo > 0: u >= lo.
      if (hi(v)[j] < 0) return false;
      hi(u)[j] = std::max(lo(u)[j], std::min(hi(u)[j], hi(v)[j]));
      if (lo(v)[j] > 0) lo(u)[j] = std::min(hi(u)[j], std::max(lo(u)[j], lo(v)[j]));
    }
  }
  return true;
}

}  // namespace coronet::search
