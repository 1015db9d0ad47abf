#include "search/combine.h"

#include <algorithm>
#include <cmath>

namespace coronet::search {

double combine_error(const bound::Root& root, const ClauseRows& clause, const float* lambda,
                     int outputs, int inputs) {
  const auto& lo = root.bounds.lo.back();
  const auto& hi = root.bounds.hi.back();
  double sum = 0;
  for (int i = 0; i < clause.count; ++i) {
    const double w = lambda == nullptr ? 1.0 : lambda[i];
    if (w == 0) continue;
    sum += w * std::fabs(clause.constant[i]);
    for (int j = 0; j < outputs; ++j) {
      const double c = clause.output[static_cast<std::size_t>(i) * outputs + j];
      if (c != 0) sum += w * std::fabs(c) * std::max(std::fabs(lo[j]), std::fabs(hi[j]));
    }
    if (clause.input.empty()) continue;
    for (int j = 0; j < inputs; ++j) {
      const double h = clause.input[static_cast<std::size_t>(i) * inputs + j];
      if (h != 0) {
        sum += w * std::fabs(h) *
               std::max(std::fabs(root.relax64.lo[j]), std::fabs(root.relax64.hi[j]));
      }
    }
  }
  return bound::gamma(clause.count + 8) * sum;
}

double rigorous_bound(const bound::Context& context, const bound::Root& root,
                      const ClauseRows& clause, const Domain& domain, const bound::Plan& plan,
                      bound::Workspace<double>& space) {
  const int output = plan.start;
  const int outputs = context.net64.size(output);
  const int inputs = context.net64.size(0);
  bound::Rows<double> rows;
  rows.count = 1;
  rows.dense.resize(outputs);
  if (!clause.input.empty()) rows.input.resize(inputs);
  const float* lambda = domain.lambda.empty() ? nullptr : domain.lambda.data();
  rows.constant = {combine(clause, lambda, outputs, inputs, rows.dense.data(),
                           clause.input.empty() ? nullptr : rows.input.data())};
  rows.splits.resize(output + 1);
  for (auto& s : rows.splits) s.resize(1);
  for (const Decision& d : domain.decisions) {
    rows.splits[d.node][0].push_back({d.neuron, d.sign, d.beta, 0, 0});
  }
  bound::Pass<double> pass(context.net64, root.relax64, plan, space);
  std::vector<double> value;
  std::vector<double> error;
  pass.pull(rows, false, value, &root.magnitude, &error);
  const double b =
      bound::down(value[0] - error[0] - combine_error(root, clause, lambda, outputs, inputs));
  return std::isfinite(b) ? b : -HUGE_VAL;
}

}  // namespace coronet::search
