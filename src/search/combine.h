// Rows of a clause's constraints, combined by multipliers lambda >= 0: positive everywhere, they
// refute the clause.
#pragma once

#include <vector>

#include "bound/optimise.h"
#include "search/domain.h"
#include "search/spec.h"

namespace coronet::search {

/// out[outputs] = sum_i lambda_i output_i, and the same for inputs (input_out may be null) and the
/// constant, in T's steps.
template <class T>
double combine(const ClauseRows& clause, const float* lambda, int outputs, int inputs, T* out,
               T* input_out) {
  for (int j = 0; j < outputs; ++j) out[j] = 0;
  if (input_out != nullptr) {
    for (int j = 0; j < inputs; ++j) input_out[j] = 0;
  }
  double constant = 0;
  for (int i = 0; i < clause.count; ++i) {
    const double w = lambda == nullptr ? 1.0 : lambda[i];
    if (w == 0) continue;
    constant += w * clause.constant[i];
    const double* c = clause.output.data() + static_cast<std::size_t>(i) * outputs;
    for (int j = 0; j < outputs; ++j) out[j] += static_cast<T>(w * c[j]);
    if (input_out != nullptr && !clause.input.empty()) {
      const double* h = clause.input.data() + static_cast<std::size_t>(i) * inputs;
      for (int j = 0; j < inputs; ++j) input_out[j] += static_cast<T>(w * h[j]);
    }
  }
  return constant;
}

/// What rounding in combine() can cost: gamma(count) times the sizes of all terms, over the root's
/// box.
double combine_error(const bound::Root& root, const ClauseRows& clause, const float* lambda,
                     int outputs, int inputs);

/// The rigorous lower bound of the domain's combination with its alpha (where it has any), beta and
/// lambda.
double rigorous_bound(const bound::Context& context, const bound::Root& root,
                      const ClauseRows& clause, const Domain& domain, const bound::Plan& plan,
                      bound::Workspace<double>& space);

}  // namespace coronet::search
