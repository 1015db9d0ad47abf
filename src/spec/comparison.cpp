#include "spec/comparison.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <span>
#include <utility>

#include "base/error.h"
#include "spec/located_error.h"

namespace coronet {
namespace {

// Sorts by variable, sums what is equal and removes zeros. The constant, if any, comes first.
void combine(std::vector<LinearTerm>& terms) {
  const auto by_variable = [](const LinearTerm& a, const LinearTerm& b) {
    return a.variable < b.variable;
  };
  if (!std::is_sorted(terms.begin(), terms.end(), by_variable)) {
    std::stable_sort(terms.begin(), terms.end(), by_variable);
  }
  std::size_t kept = 0;
  for (std::size_t i = 0; i < terms.size();) {
    LinearTerm sum = terms[i];
    for (++i; i < terms.size() && terms[i].variable == sum.variable; ++i) {
      sum.coefficient = sum.coefficient + terms[i].coefficient;
    }
    if (!sum.coefficient.is_zero()) terms[kept++] = sum;
  }
  terms.resize(kept);
}

double finite(const Decimal& value, std::size_t offset) {
  const double nearest = value.to_double();
  if (!std::isfinite(nearest)) {
    throw LocatedError(ErrorKind::kBadInput, offset,
                       "the comparison's arithmetic overflows a double");
  }
  return nearest + 0.0;  // turns -0.0 into 0.0
}

// variables + constant <= 0 (< 0), or >= 0 (> 0) if `at_least`.
class Atom {
 public:
  Atom(FormulaBuilder& builder, std::span<const LinearTerm> variables, const Decimal& constant,
       int inputs, std::size_t offset)
      : builder_(builder),
        variables_(variables),
        constant_(constant),
        inputs_(inputs),
        offset_(offset) {}

  void add(bool at_least, bool strict) {
    if (variables_.empty()) {
      add_truth(at_least, strict);
    } else if (variables_.size() == 1 && variables_[0].variable < inputs_) {
      add_bound(at_least, strict);
    } else {
      add_constraint(at_least, strict);
    }
  }

 private:
  void add_truth(bool at_least, bool strict) {
    const std::optional<int> sign = constant_.sign();
    if (!sign) {
      throw LocatedError(ErrorKind::kUnsupported, offset_,
                         "comparison of constants that needs more than 38 digits");
    }
    const int value = at_least ? -*sign : *sign;
    Node node;
    node.kind = value < 0 || (value == 0 && !strict) ? NodeKind::kTrue : NodeKind::kFalse;
    builder_.add(node);
  }

  void add_bound(bool at_least, bool strict) {
    const Decimal& coefficient = variables_[0].coefficient;
    const std::optional<int> sign = coefficient.sign();
    if (!sign || !coefficient.rounds_right() || !constant_.rounds_right()) {
      throw LocatedError(ErrorKind::kUnsupported, offset_,
                         "bound of an input whose arithmetic needs more than 38 digits");
    }
    const bool lower = at_least == (*sign > 0);
    Node node;
    node.kind = lower ? NodeKind::kLower : NodeKind::kUpper;
    node.index = static_cast<std::uint32_t>(variables_[0].variable);
    const std::optional<Decimal> exact = coefficient.is_unit()
                                             ? std::optional(-constant_ * coefficient)
                                             : Decimal::quotient(-constant_, coefficient);
    if (exact && exact->rounds_right()) {
      node.bound = finite(*exact, offset_);
      node.strict = strict;
      builder_.add(node);
      return;
    }
    // A quotient that is no short decimal: rounded outward, so that two equal bounds written
    // differently cannot exclude each other, with the constraint itself beside it.
    const auto near =
        static_cast<double>(-constant_.to_long_double() / coefficient.to_long_double());
    const double away = std::numeric_limits<double>::infinity() * (lower ? -1 : 1);
    node.bound = std::nextafter(near, away);
    if (!std::isfinite(node.bound)) {
      throw LocatedError(ErrorKind::kBadInput, offset_, "the bound overflows a double");
    }
    builder_.open(NodeKind::kAnd, offset_);
    builder_.add(node);
    add_constraint(at_least, strict);
    builder_.close();
  }

  void add_constraint(bool at_least, bool strict) {
    Constraint constraint;
    constraint.strict = strict;
    constraint.constant = finite(at_least ? -constant_ : constant_, offset_);
    for (const LinearTerm& term : variables_) {
      const double coefficient = finite(at_least ? -term.coefficient : term.coefficient, offset_);
      if (coefficient == 0) {
        throw LocatedError(ErrorKind::kUnsupported, offset_, "coefficient too small for a double");
      }
      const bool input = term.variable < inputs_;
      (input ? constraint.inputs : constraint.outputs)
          .push_back({input ? term.variable : term.variable - inputs_, coefficient});
    }
    builder_.add(std::move(constraint));
  }

  FormulaBuilder& builder_;
  std::span<const LinearTerm> variables_;
  const Decimal& constant_;
  int inputs_;
  std::size_t offset_;
};

}  // namespace

void add_comparison(FormulaBuilder& builder, std::vector<LinearTerm>& terms, Relation relation,
                    int inputs, std::size_t offset) {
  combine(terms);
  std::span<const LinearTerm> variables = terms;
  Decimal constant;
  if (!terms.empty() && terms[0].variable == kConstantTerm) {
    constant = terms[0].coefficient;
    variables = variables.subspan(1);
  }
  Atom atom(builder, variables, constant, inputs, offset);
  switch (relation) {
    case Relation::kLess:
    case Relation::kLessEqual:
      atom.add(false, relation == Relation::kLess);
      return;
    case Relation::kGreater:
    case Relation::kGreaterEqual:
      atom.add(true, relation == Relation::kGreater);
      return;
    case Relation::kEqual:
    case Relation::kNotEqual: {
      const bool different = relation == Relation::kNotEqual;
      builder.open(different ? NodeKind::kOr : NodeKind::kAnd, offset);
      atom.add(false, different);
      atom.add(true, different);
      builder.close();
      return;
    }
  }
}

}  // namespace coronet
