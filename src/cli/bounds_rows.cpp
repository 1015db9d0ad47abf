#include "cli/bounds_rows.h"

#include <fmt/format.h>

#include <cmath>
#include <string>

#include "search/clause_list.h"
#include "search/spec.h"

namespace coronet::cli {

namespace {

void append_term(std::string& text, double coefficient, const std::string& name) {
  const bool minus = coefficient < 0;
  text += text.empty() ? (minus ? "-" : "") : (minus ? " - " : " + ");
  const double size = std::fabs(coefficient);
  if (name.empty()) {
    text += fmt::format("{}", size);
  } else {
    text += size == 1 ? name : fmt::format("{} {}", size, name);
  }
}

std::string form_of(const Constraint& constraint) {
  constexpr int kMost = 6;  // an objective over all inputs of an image is not for reading
  std::string text;
  int terms = 0;
  const auto append = [&](const std::vector<Term>& list, char letter) {
    for (const Term& t : list) {
      if (++terms <= kMost) append_term(text, t.coefficient, fmt::format("{}_{}", letter, t.index));
    }
  };
  append(constraint.outputs, 'Y');
  append(constraint.inputs, 'X');
  if (terms > kMost) text += fmt::format(" + ({} more terms)", terms - kMost);
  if (constraint.constant != 0 || text.empty()) append_term(text, constraint.constant, "");
  return text;
}

/// sum_i a_i * [lo_i, hi_i], least value, with the rounding of the sum taken off.
void add_least(const double* a, const std::vector<double>& lo, const std::vector<double>& hi,
               double& sum, double& size) {
  for (std::size_t i = 0; i < lo.size(); ++i) {
    if (a[i] == 0) continue;
    const double term = a[i] * (a[i] > 0 ? lo[i] : hi[i]);
    sum += term;
    size += std::fabs(term);
  }
}

double interval_bound(const bound::Bounds& bounds, const bound::RowList& list, std::size_t r) {
  const std::size_t outputs = bounds.lo.back().size();
  const std::size_t inputs = bounds.lo.front().size();
  double sum = list.constant.empty() ? 0 : list.constant[r];
  double size = std::fabs(sum);
  add_least(list.dense.data() + r * outputs, bounds.lo.back(), bounds.hi.back(), sum, size);
  if (!list.input.empty()) {
    add_least(list.input.data() + r * inputs, bounds.lo.front(), bounds.hi.front(), sum, size);
  }
  return bound::down(sum - bound::gamma(static_cast<double>(outputs + inputs + 3)) * size);
}

}  // namespace

Forms property_forms(const Graph& graph, const Property& property, int box) {
  Forms forms;
  std::vector<search::ClauseRows> clauses;
  for (std::size_t k = 0; k < property.clauses.size(); ++k) {
    if (property.clauses[k].box != box) continue;
    clauses.push_back(search::make_clause_rows(graph, property, static_cast<int>(k)));
  }
  forms.list = search::list_of(clauses, static_cast<int>(graph.nodes.size()) - 1, graph.inputs());
  for (const search::ClauseRows& c : clauses) {
    for (int i = 0; i < c.count; ++i) {
      forms.rows.push_back(
          {c.clause, form_of(property.clauses[c.clause].constraints[i]), 0, false});
      forms.strict.push_back(c.strict[i]);
    }
  }
  return forms;
}

Forms label_forms(const Graph& graph, int label) {
  Forms forms;
  forms.list.node = static_cast<int>(graph.nodes.size()) - 1;
  const int outputs = graph.outputs();
  std::vector<int> place(outputs);
  for (int i = 0; i < outputs; ++i) place[graph.output_order[i]] = i;
  for (int j = 0; j < outputs; ++j) {
    if (j == label) continue;
    AlignedVector<double> row;
    row.assign(static_cast<std::size_t>(outputs), 0.0);
    row[place[label]] = 1;
    row[place[j]] = -1;
    forms.list.dense.insert(forms.list.dense.end(), row.begin(), row.end());
    forms.list.constant.push_back(0);
    forms.rows.push_back({-1, fmt::format("Y_{} - Y_{}", label, j), 0, false});
    forms.strict.push_back(0);
  }
  return forms;
}

bound::OptimiseSettings form_settings(const Options& options, bound::Method method) {
  bound::OptimiseSettings settings;
  settings.iterations = method == bound::Method::kAlpha ? options.spec_iterations : 0;
  settings.lr = options.lr_alpha;
  settings.decay = options.lr_decay;
  settings.stop_positive = false;  // the bound itself is asked for, not its sign
  return settings;
}

std::vector<double> interval_forms(const bound::Bounds& bounds, const Forms& forms) {
  std::vector<double> lower;
  for (std::size_t r = 0; r < forms.rows.size(); ++r) {
    lower.push_back(interval_bound(bounds, forms.list, r));
  }
  return lower;
}

std::vector<double> bound_forms(bound::Context& context, const bound::Root& root,
                                bound::Method method, const Forms& forms) {
  if (forms.rows.empty()) return {};
  if (method == bound::Method::kInterval) return interval_forms(root.bounds, forms);
  return bound_rows(context, root, forms.list, form_settings(context.options, method)).bound;
}

void note_bounds(const std::vector<double>& lower, Forms& forms) {
  for (std::size_t r = 0; r < forms.rows.size(); ++r) {
    forms.rows[r].lower = lower[r];
    forms.rows[r].proves =
        std::isfinite(lower[r]) && search::refutes(lower[r], forms.strict[r] != 0);
  }
}

}  // namespace coronet::cli
