#include "search/box_split.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "bound/bounds.h"
#include "bound/concrete.h"
#include "search/attack.h"
#include "search/planes.h"

namespace coronet::search {

namespace {

constexpr std::size_t kMostPoints = 64;

/// [inputs] the widest of the boxes.
std::vector<double> widths(const std::vector<GraphBox>& boxes, int inputs) {
  std::vector<double> width(inputs, 0.0);
  for (const GraphBox& b : boxes) {
    for (int j = 0; j < inputs; ++j) width[j] = std::max(width[j], b.upper[j] - b.lower[j]);
  }
  return width;
}

}  // namespace

BoxSplitter::BoxSplitter(const Options& options, const std::vector<ClauseRows>& clauses,
                         const std::vector<GraphBox>& boxes, int inputs)
    : options_(options), inputs_(inputs), root_width_(widths(boxes, inputs)) {
  for (const ClauseRows& c : clauses) {
    rows_of_.resize(std::max<std::size_t>(rows_of_.size(), c.clause + 1), nullptr);
    rows_of_[c.clause] = &c;
    any_input_ |= !c.input.empty();
  }
}

bound::RowList BoxSplitter::rows(const std::vector<BoxDomain>& boxes, int first, int last,
                                 int output, std::vector<int>& box) const {
  bound::RowList rows;
  rows.node = output;
  box.clear();
  for (int d = first; d < last; ++d) {
    for (const int k : boxes[d].clauses) {
      const ClauseRows& c = rows_of(k);
      box.insert(box.end(), c.count, d - first);
      rows.dense.insert(rows.dense.end(), c.output.begin(), c.output.end());
      rows.constant.insert(rows.constant.end(), c.constant.begin(), c.constant.end());
      if (any_input_ && c.input.empty()) {
        rows.input.resize(rows.input.size() + static_cast<std::size_t>(c.count) * inputs_, 0.0);
      } else if (any_input_) {
        rows.input.insert(rows.input.end(), c.input.begin(), c.input.end());
      }
    }
  }
  return rows;
}

int BoxSplitter::rows(const BoxDomain& box) const {
  int count = 0;
  for (const int k : box.clauses) count += rows_of(k).count;
  return count;
}

void BoxSplitter::split(const BoxDomain& from, const BoxRows& rows, const BoxHelp& help,
                        std::vector<BoxDomain>& open, BoxPoints& points) {
  BoxDomain left;
  std::vector<double> score(inputs_, 0.0);
  std::vector<double> smear(inputs_, 0.0);
  std::vector<Plane> planes;  // of the last open clause
  int r = 0;
  for (const int k : from.clauses) {
    const ClauseRows& c = rows_of(k);
    bool refuted = false;
    double best = -HUGE_VAL;
    int best_row = -1;
    planes.clear();
    for (int i = 0; i < c.count; ++i, ++r) {
      const double b = bound::down(rows.value[r] - rows.error[r]);
      refuted |= std::isfinite(b) && refutes(b, c.strict[i]);
      if (best_row < 0 || b > best) {
        best = b;
        best_row = r;
      }
      if (std::isfinite(b)) {
        planes.push_back(make_plane(rows.a + static_cast<std::size_t>(r) * inputs_, rows.value[r],
                                    rows.error[r], from.lower, from.upper));
      }
    }
    if (refuted || contradict(planes, from.lower, from.upper)) continue;
    left.clauses.push_back(k);
    left.bound = left.clauses.size() == 1 ? best : std::min(left.bound, best);
    if (best_row < 0) continue;
    if (help.smear) {
      for (int row = r - c.count; row < r; ++row) help.smear(row, smear);
    }
    const double* a = rows.a + static_cast<std::size_t>(best_row) * inputs_;
    for (int j = 0; j < inputs_; ++j) {
      score[j] += std::fabs(a[j]) * (from.upper[j] - from.lower[j]);
    }
    if (points.clause.size() < kMostPoints) {
      for (int j = 0; j < inputs_; ++j) {
        points.x.push_back(static_cast<float>(a[j] > 0   ? from.lower[j]
                                              : a[j] < 0 ? from.upper[j]
                                                         : (from.lower[j] + from.upper[j]) / 2));
      }
      points.clause.push_back(k);
    }
  }
  if (left.clauses.empty()) return;
  BoxDomain box{from.lower, from.upper, {}, 0};
  // Every point that violates the one open clause lies on the near side of all its planes: the
  // box shrinks to that.
  if (left.clauses.size() == 1 && left.clauses[0] == from.clauses.back()) {
    if (!clip(planes, box.lower, box.upper)) return;
    if (help.contract && !help.contract(rows_of(left.clauses[0]), box)) return;
  }
  halve(box, left, score, smear, open);
}

double BoxSplitter::relative_width(const BoxDomain& box, int j) const {
  return root_width_[j] > 0 ? (box.upper[j] - box.lower[j]) / root_width_[j] : 0;
}

void BoxSplitter::halve(const BoxDomain& from, BoxDomain& left, const std::vector<double>& score,
                        const std::vector<double>& smear, std::vector<BoxDomain>& open) {
  int at = -1;
  double best = -1;
  double top = 0;
  double widest = 0;
  double smeared = 1e-300;
  for (int j = 0; j < inputs_; ++j) {
    if (std::isfinite(score[j])) top = std::max(top, score[j]);
    smeared = std::max(smeared, smear[j]);
    widest = std::max(widest, relative_width(from, j));
  }
  for (int j = 0; j < inputs_; ++j) {
    const double width = from.upper[j] - from.lower[j];
    const double middle = from.lower[j] + width / 2;
    if (!(middle > from.lower[j] && middle < from.upper[j])) continue;
    // The planes' slope is not all: a dimension in which the box is still wide matters through
    // the relaxations of the neurons. So a part of the score is the width itself, against the
    // root's.
    const double s = (std::isfinite(score[j]) ? score[j] : 0) +
                     options_.width_share * (top + 1e-300) * relative_width(from, j) / widest +
                     options_.smear_share * (top + 1e-300) * smear[j] / smeared;
    if (s > best) {
      best = s;
      at = j;
    }
  }
  if (at < 0) {  // a single point that rounding leaves open
    left.lower = from.lower;
    left.upper = from.upper;
    stuck_ = true;
    open.push_back(std::move(left));
    return;
  }
  const double middle = from.lower[at] + (from.upper[at] - from.lower[at]) / 2;
  BoxDomain right = left;
  left.lower = from.lower;
  left.upper = from.upper;
  right.lower = from.lower;
  right.upper = from.upper;
  left.upper[at] = middle;
  right.lower[at] = middle;
  open.push_back(std::move(left));
  open.push_back(std::move(right));
}

void BoxSplitter::try_points(bound::Context& context, const BoxPoints& points, Judge& judge,
                             int worker) const {
  const int n = static_cast<int>(points.clause.size());
  if (n == 0 || !options_.attack) return;
  const int outputs = context.net32.size(context.net32.nodes() - 1);
  std::vector<float> y(static_cast<std::size_t>(n) * outputs);
  bound::Concrete concrete(context.net32, context.space32[worker]);
  concrete.evaluate(n, points.x.data(), y.data(), false);
  for (int i = 0; i < n; ++i) {
    const ClauseRows& c = rows_of(points.clause[i]);
    const float* xi = points.x.data() + static_cast<std::size_t>(i) * inputs_;
    const float* yi = y.data() + static_cast<std::size_t>(i) * outputs;
    bool violated = true;
    for (int k = 0; k < c.count && violated; ++k) {
      violated = constraint_value(c, k, xi, yi, inputs_, outputs) <= 0;
    }
    if (violated && judge.offer(c.clause, xi)) return;
  }
}

}  // namespace coronet::search
