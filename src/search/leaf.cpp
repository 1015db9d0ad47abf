#include "search/leaf.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <vector>

#include "search/clp.h"
#include "search/combine.h"

namespace coronet::search {

namespace {

using bound::Pass;
using bound::Plan;
using bound::Rows;

/// Over the domain, all rows are affine functions of the input: coefficients [inputs] and a
/// constant each.
struct AffineForms {
  std::vector<std::vector<double>> a;
  std::vector<double> constant;
};

/// The solver fails an assertion of its own, or divides its way to infinity, on numbers outside
/// this range. It only proposes multipliers and a point, so the small ones may be taken for zero.
constexpr double kLeast = 1e-100;
constexpr double kMost = 1e100;

bool solvable(const AffineForms& forms) {
  const auto fits = [](double v) { return std::fabs(v) <= kMost; };
  return std::all_of(forms.constant.begin(), forms.constant.end(), fits) &&
         std::all_of(forms.a.begin(), forms.a.end(), [&](const std::vector<double>& a) {
           return std::all_of(a.begin(), a.end(), fits);
         });
}

std::vector<std::vector<std::vector<bound::Split<double>>>> splits_of(const Domain& domain,
                                                                      int nodes, int rows) {
  std::vector<std::vector<std::vector<bound::Split<double>>>> splits(nodes);
  for (auto& s : splits) s.resize(rows);
  for (const Decision& d : domain.decisions) {
    for (int r = 0; r < rows; ++r) {
      splits[d.node][r].push_back({d.neuron, d.sign, 0, 0, 0});
    }
  }
  return splits;
}

void forms_of(const bound::Context& context, const bound::Root& root, const Plan& plan,
              Rows<double>& rows, bound::Workspace<double>& space, AffineForms& forms) {
  Pass<double> pass(context.net64, root.relax64, plan, space);
  std::vector<double> bound;
  pass.pull(rows, true, bound);
  const int n = context.net64.size(0);
  for (int r = 0; r < rows.count; ++r) {
    std::vector<double> a(pass.input_a(r), pass.input_a(r) + n);
    double least = 0;
    for (int i = 0; i < n; ++i) {
      least += a[i] * (a[i] >= 0 ? root.relax64.lo[i] : root.relax64.hi[i]);
    }
    forms.a.push_back(std::move(a));
    forms.constant.push_back(bound[r] - least);
  }
}

}  // namespace

LeafOutcome decide_leaf(const bound::Context& context, const bound::Root& root,
                        const ClauseRows& clause, const Domain& domain, Judge& judge,
                        bound::Workspace<double>& space) {
  const int inputs = context.net64.size(0);
  const int output = context.net64.nodes() - 1;
  const int splits = static_cast<int>(domain.decisions.size());
  AffineForms forms;
  const Plan plan = make_plan(context.net64, output, false);
  {
    Rows<double> rows;
    rows.count = clause.count;
    rows.dense = clause.output;
    rows.input = clause.input;
    rows.constant.assign(clause.constant.begin(), clause.constant.end());
    rows.splits = splits_of(domain, output + 1, clause.count);
    forms_of(context, root, plan, rows, space, forms);
  }
  for (const Decision& d : domain.decisions) {
    if (context.deadline.passed()) return LeafOutcome::kUndecided;
    const int u = context.net64.inputs(d.node)[0];
    const Plan to_u = make_plan(context.net64, u, false);
    Rows<double> rows;
    rows.count = 1;
    rows.selection = true;
    rows.neuron = {d.neuron};
    rows.sign = {1.0};
    rows.splits = splits_of(domain, output + 1, 1);
    forms_of(context, root, to_u, rows, space, forms);
  }

  if (!solvable(forms)) return LeafOutcome::kUndecided;

  // Variables x and t: minimise t subject to f_i(x) <= t and sign_j z_j(x) >= 0.
  constexpr double kNone = std::numeric_limits<double>::max();  // Clp's infinity
  const int columns = inputs + 1;
  const int count = clause.count + splits;
  std::vector<CoinBigIndex> start{0};  // by columns
  std::vector<int> row;
  std::vector<double> value;
  for (int i = 0; i < inputs; ++i) {
    for (int r = 0; r < count; ++r) {
      if (std::fabs(forms.a[r][i]) < kLeast) continue;
      row.push_back(r);
      value.push_back(forms.a[r][i]);
    }
    start.push_back(static_cast<CoinBigIndex>(row.size()));
  }
  std::vector<double> row_lower(count, -kNone);
  std::vector<double> row_upper(count, kNone);
  for (int r = 0; r < count; ++r) {
    if (r < clause.count) {
      row.push_back(r);
      value.push_back(-1.0);
    }
    const bool above = r >= clause.count && domain.decisions[r - clause.count].sign > 0;
    (above ? row_lower : row_upper)[r] = -forms.constant[r];
  }
  start.push_back(static_cast<CoinBigIndex>(row.size()));
  std::vector<double> lower(columns, -kNone);
  std::vector<double> upper(columns, kNone);
  for (int i = 0; i < inputs; ++i) {
    lower[i] = root.relax64.lo[i];
    upper[i] = root.relax64.hi[i];
  }
  std::vector<double> objective(columns, 0.0);
  objective[inputs] = 1;
  const Clp clp = Clp::open();
  const Clp::Model model = clp.model();
  Clp_Simplex* const lp = model.get();
  clp.set_log_level(lp, 0);
  clp.load_problem(lp, columns, count, start.data(), row.data(), value.data(), lower.data(),
                   upper.data(), objective.data(), row_lower.data(), row_upper.data());
  clp.set_maximum_seconds(lp, std::max(0.01, context.deadline.left()));
  clp.dual(lp, 0);
  if (context.deadline.passed()) return LeafOutcome::kUndecided;

  Domain proof = domain;
  proof.lambda.assign(clause.count, 0.0F);
  const auto free_ray = [&](double* ray) { clp.free_ray(lp, ray); };
  std::unique_ptr<double, decltype(free_ray)> ray(nullptr, free_ray);
  const double* dual = nullptr;
  if (clp.is_proven_primal_infeasible(lp) != 0) {
    ray.reset(clp.infeasibility_ray(lp));
    dual = ray.get();
  } else {
    dual = clp.row_price(lp);
  }
  bool refuted = false;
  if (dual != nullptr) {
    // The sign of a ray differs between versions; both are tried, since the pull alone decides.
    for (const double sign : {1.0, -1.0}) {
      for (int i = 0; i < clause.count; ++i) {
        proof.lambda[i] = static_cast<float>(std::max(0.0, -sign * dual[i]));
      }
      for (int j = 0; j < splits; ++j) {
        Decision& d = proof.decisions[j];
        d.beta = static_cast<float>(std::max(0.0, sign * d.sign * dual[clause.count + j]));
      }
      if (rigorous_bound(context, root, clause, proof, plan, space) > 0) {
        refuted = true;
        break;
      }
    }
  }
  if (refuted) return LeafOutcome::kRefuted;
  if (clp.is_proven_optimal(lp) != 0) {
    std::vector<float> x(inputs);
    const double* solution = clp.column_solution(lp);
    for (int i = 0; i < inputs; ++i) x[i] = static_cast<float>(solution[i]);
    judge.offer(clause.clause, x.data());
    if (judge.known()) return LeafOutcome::kViolated;
  }
  return LeafOutcome::kUndecided;
}

}  // namespace coronet::search
