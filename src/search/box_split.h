// What bounds of its clauses leave of a box: what cannot violate goes, the rest is halved.
#pragma once

#include <atomic>
#include <functional>
#include <vector>

#include "base/options.h"
#include "bound/context.h"
#include "bound/optimise.h"
#include "search/input_tree.h"
#include "search/judge.h"
#include "search/spec.h"

namespace coronet::search {

/// Bounds of the constraints of a box's clauses, one clause after the other.
struct BoxRows {
  const double* value = nullptr;  ///< [rows] lower bounds, but for
  const double* error = nullptr;  ///< [rows] what rounding can cost
  const double* a = nullptr;  ///< [rows, inputs] of the linear bounds whose least values these are
};

/// What else is known of a box; both may be null.
struct BoxHelp {
  /// Adds to each input what it costs row r through the relaxations of neurons, the most 1.
  std::function<void(int row, std::vector<double>& smear)> smear;
  /// Shrinks the box to where the clause may be violated; false: nowhere.
  std::function<bool(const ClauseRows&, BoxDomain&)> contract;
};

/// Points where a linear bound is least, one of so many inputs behind the other.
struct BoxPoints {
  std::vector<float> x;
  std::vector<int> clause;  ///< of the property, of each
};

/// Why no round gets on where BoxSplitter::stuck().
inline constexpr const char* kStuckBox =
    "a box of one point stays within rounding of the constraint";

class BoxSplitter {
 public:
  /// For these clauses of the property over its boxes. Refers to the options and the clauses.
  BoxSplitter(const Options& options, const std::vector<ClauseRows>& clauses,
              const std::vector<GraphBox>& boxes, int inputs);

  /// The constraints of the clauses of boxes [first, last) as rows over node `output`; box: [rows]
  /// which of them a row is of, counted from `first`.
  [[nodiscard]] bound::RowList rows(const std::vector<BoxDomain>& boxes, int first, int last,
                                    int output, std::vector<int>& box) const;
  [[nodiscard]] int rows(const BoxDomain& box) const;

  /// Adds the halves of what is left of the box to `open`, and points to be tried. From any thread.
  void split(const BoxDomain& from, const BoxRows& rows, const BoxHelp& help,
             std::vector<BoxDomain>& open, BoxPoints& points);

  /// Offers those points that seem to violate.
  void try_points(bound::Context& context, const BoxPoints& points, Judge& judge, int worker) const;

  /// Is there a box of one point that rounding leaves open?
  [[nodiscard]] bool stuck() const { return stuck_; }

 private:
  [[nodiscard]] const ClauseRows& rows_of(int clause) const { return *rows_of_[clause]; }
  [[nodiscard]] double relative_width(const BoxDomain& box, int j) const;
  void halve(const BoxDomain& from, BoxDomain& left, const std::vector<double>& score,
             const std::vector<double>& smear, std::vector<BoxDomain>& open);

  const Options& options_;
  std::vector<const ClauseRows*> rows_of_;  // [clause of the property] or null
  int inputs_;
  bool any_input_ = false;
  std::vector<double> root_width_;  // [inputs] the widest of the boxes
  std::atomic<bool> stuck_{false};
};

}  // namespace coronet::search
