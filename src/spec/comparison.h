// One comparison of linear expressions, turned into leaves of the and/or tree.
#pragma once

#include <cstddef>
#include <vector>

#include "spec/decimal.h"
#include "spec/formula.h"

namespace coronet {

enum class Relation { kLess, kLessEqual, kGreater, kGreaterEqual, kEqual, kNotEqual };

/// coefficient * variable. Inputs are numbered from 0, outputs follow them; kConstantTerm is the
/// number itself.
struct LinearTerm {
  int variable = 0;
  Decimal coefficient;
};
inline constexpr int kConstantTerm = -1;

/// Adds `sum of terms RELATION 0` to the tree: a bound of an input, a constraint, or true or false
/// by arithmetic. `terms` may repeat variables; it is used as scratch. `offset` is the comparison's
/// place for errors.
void add_comparison(FormulaBuilder& builder, std::vector<LinearTerm>& terms, Relation relation,
                    int inputs, std::size_t offset);

}  // namespace coronet
