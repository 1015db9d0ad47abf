// The members of Pass and Rows, for the files that instantiate them for a device.
#pragma once

#include <cmath>
#include <span>
#include <type_traits>
#include <vector>

#include "bound/engine.h"
#include "bound/tensor/group.h"

namespace coronet::bound {

template <class T, class D>
void Rows<T, D>::compact(const D& device, const std::vector<char>& flags, const Plan& plan) {
  const typename D::Kept keep = device.kept(flags);
  device.keep_rows(neuron, 1, keep);
  device.keep_rows(sign, 1, keep);
  device.keep_rows(dense, plan.extent[plan.start].shape.size(), keep);
  device.keep_rows(input, plan.extent[0].shape.size(), keep);
  device.keep_rows(constant, 1, keep);
  device.keep_rows(domain, 1, keep);
  device.keep_rows(start_y, 1, keep);
  device.keep_rows(start_x, 1, keep);
  device.keep_rows(rate, 1, keep);
  int left = 0;
  for (int r = 0; r < count; ++r) {
    if (!flags[r]) continue;
    if (!id.empty()) id[left] = id[r];
    ++left;
  }
  if (!id.empty()) id.resize(left);
  for (int v : plan.elementwise) {
    if (!alpha.empty()) {
      const std::size_t width = alpha[v].width > 0 ? alpha[v].width : plan.extent[v].size();
      device.keep_rows(alpha[v].value, width, keep);
      device.keep_rows(alpha[v].m, width, keep);
      device.keep_rows(alpha[v].v, width, keep);
    }
    if (!splits.empty()) device.keep_rows(splits[v], 1, keep);
  }
  count = left;
}

template <class T, class D>
void Pass<T, D>::start(const Rows<T, D>& rows, std::vector<int>& a, double* bias) {
  const int v = plan_.start;
  const Affine<T>* op = net_.affine(v);
  if (rows.selection && op != nullptr && plan_.extent[v].whole) {
    // Rows of W are copied: no identity is ever multiplied.
    const int u = net_.inputs(v)[0];
    const int buffer = acquire(rows.count, u);
    if (op->pull_selection(rows.count, rows.neuron.data(), rows.sign.data(), space_.data(buffer),
                           bias)) {
      a[u] = buffer;
      return;
    }
    space_.release(buffer);
  }
  a[v] = acquire(rows.count, v);
  if (rows.selection) {
    device_.unit_rows(rows.set(), plan_.extent[v], rows.neuron.data(), rows.sign.data(),
                      space_.data(a[v]));
  } else {
    device_.copy(rows.dense.data(), rows.dense.size(), space_.data(a[v]));
  }
}

template <class T, class D>
void Pass<T, D>::pull(const Rows<T, D>& rows, bool keep, std::vector<T>& bound,
                      const Magnitudes<D>* magnitude, std::vector<double>* error) {
  const double lost = pull(rows, keep, error == nullptr ? nullptr : magnitude);
  bound.resize(rows.count);
  device_.read(bound_.data(), rows.count, bound.data());
  if (error == nullptr) return;
  error->resize(rows.count);
  device_.read(error_.data(), rows.count, error->data());
  for (double& e : *error) e += lost;
}

template <class T, class D>
double Pass<T, D>::pull(const Rows<T, D>& rows, bool keep, const Magnitudes<D>* magnitude) {
  end();
  const RowSet set = rows.set();
  const int* domains = rows.domain.empty() ? nullptr : rows.domain.data();
  const std::size_t count = rows.count;
  const auto order = static_cast<double>(plan_.order.size());
  std::vector<int> a(plan_.start + 1, -1);
  kept_.assign(plan_.start + 1, -1);
  device_.reserve(bias_, count);
  double* bias = bias_.data();
  if (rows.constant.empty()) {
    device_.zero(bias, count);
  } else {
    device_.copy(rows.constant.data(), count, bias);
  }
  if (magnitude != nullptr) {
    device_.reserve(error_, count);
    device_.zero(error_.data(), count);
    device_.charge_bias(rows.count, bias, gamma(order + 8), error_.data());
  }
  // Where a row's A at node v is multiplied by numbers of size w, K to a sum, rounding costs at
  // most gamma(K) |A| w; the spare terms cover the sums over consumers and over nodes, those that
  // the start's own bias goes through among them. A product
  // below the normal numbers is off by up to half of the least one, however small it is, and what
  // it is off by is multiplied by w further on.
  double lost = 0;
  const auto charge = [&](int v, const auto& magnitudes, double terms) {
    if (!net_.counts(v)) return;
    if constexpr (std::is_same_v<T, double>) {
      const double roundings = terms + 64 + 2 * order;
      const auto& w = magnitudes[v];
      device_.charge(set, space_.data(a[v]), plan_.extent[v], w.size.data(), gamma(roundings),
                     error_.data());
      lost += underflow(roundings * (1 + plan_.extent[v].size() + w.sum));
    }
  };
  // The lines' intercepts at a node that another rank counts.
  double* elsewhere = nullptr;
  start(rows, a, net_.counts(plan_.start) ? bias : nullptr);
  for (int v : plan_.order) {
    if (a[v] < 0) continue;  // the start, where its selection went straight to its input
    if (v == 0) break;
    const Extent& out = plan_.extent[v];
    if (net_.elementwise(v)) {
      if (magnitude != nullptr) charge(v, magnitude->value, out.size());
      const int u = net_.inputs(v)[0];
      const bool add = a[u] >= 0;
      if (!add) a[u] = acquire(rows.count, u);
      if (!net_.counts(v) && elsewhere == nullptr) {
        device_.reserve(uncounted_, count);
        elsewhere = uncounted_.data();
        device_.zero(elsewhere, count);
      }
      device_.pull_lines(set, domains, relaxation_.lines[v].view(), rows.lower(v),
                         rows.splits.empty() ? nullptr : &rows.splits[v], space_.data(a[v]), out,
                         space_.data(a[u]), plan_.extent[u], add,
                         net_.counts(v) ? bias : elsewhere);
      if (keep) {
        kept_[v] = a[v];
      } else {
        space_.release(a[v]);
      }
      continue;
    }
    const Affine<T>& op = *net_.affine(v);
    if (magnitude != nullptr) charge(v, magnitude->affine, op.terms());
    if (net_.counts(v)) op.bias(set, space_.data(a[v]), out, bias);
    const auto& inputs = net_.inputs(v);
    for (int k = 0; k < static_cast<int>(inputs.size()); ++k) {
      const int u = inputs[k];
      const bool add = a[u] >= 0;
      if (!add) a[u] = acquire(rows.count, u);
      op.pull(set, space_.data(a[v]), out, k, space_.data(a[u]), plan_.extent[u], add);
    }
    space_.release(a[v]);
  }

  // At the input box. Rows whose form does not reach the input (a constant network) have no A
  // there.
  const Extent& in = plan_.extent[0];
  if (a[0] < 0) {
    a[0] = acquire(rows.count, 0);
    device_.zero(space_.data(a[0]), count * in.size());
  }
  T* ain = space_.data(a[0]);
  if (!rows.input.empty()) device_.add(rows.input.data(), count * in.size(), ain);
  if (magnitude != nullptr) {
    charge(0, magnitude->value, static_cast<double>(in.size()));
    device_.charge_bias(rows.count, bias, gamma(order + 8), error_.data());
  }
  device_.reserve(bound_, count);
  const Extent none = Extent::all({1, 1, 0});
  device_.concretize(set, domains, ain, net_.counts(0) ? in : none, relaxation_.lo.data(),
                     relaxation_.hi.data(), bias, bound_.data());
  if (net_.group() != nullptr) lost = sum_over_ranks(rows.count, magnitude != nullptr, lost);
  if (keep) {
    kept_[0] = a[0];
  } else {
    space_.release(a[0]);
  }
  return lost;
}

template <class T, class D>
double Pass<T, D>::sum_over_ranks(int count, bool error, double lost) {
  TensorGroup& group = *net_.group();
  std::vector<T> bound(count);
  device_.read(bound_.data(), count, bound.data());
  if (error) {
    std::vector<double> errors(count);
    device_.read(error_.data(), count, errors.data());
    // No partial sum of the ranks' bounds is larger than the sizes of all of them.
    const double rounding = gamma(group.size() + 2);
    for (int r = 0; r < count; ++r) errors[r] += rounding * std::fabs(bound[r]);
    errors.push_back(lost);
    group.sum(std::span<double>(errors));
    lost = errors.back();
    device_.write(errors.data(), count, error_.data());
  }
  group.sum(std::span<T>(bound));
  device_.write(bound.data(), count, bound_.data());
  return lost;
}

template <class T, class D>
void Pass<T, D>::minimizer(const Rows<T, D>& rows, int r, T* x) const {
  const RowSet one{1, nullptr, nullptr};
  const int* domains = rows.domain.empty() ? nullptr : rows.domain.data();
  device_.minimizers(one, domains == nullptr ? nullptr : domains + r, input_a(r), plan_.extent[0],
                     relaxation_.lo.data(), relaxation_.hi.data(), x);
}

template <class T, class D>
void Pass<T, D>::push(Rows<T, D>& rows, const Step<T>* step,
                      typename D::template Array<T>* start_value) {
  const RowSet set = rows.set();
  const int* domains = rows.domain.empty() ? nullptr : rows.domain.data();
  std::vector<int> value(plan_.start + 1, -1);
  std::vector<int> left = plan_.consumers;
  const auto done_with = [&](int u) {
    if (--left[u] == 0 && value[u] >= 0) {
      space_.release(value[u]);
      value[u] = -1;
    }
  };
  for (auto it = plan_.order.rbegin(); it != plan_.order.rend(); ++it) {
    const int v = *it;
    const Extent& extent = plan_.extent[v];
    if (v == 0) {
      if (!plan_.push[0]) continue;
      value[0] = acquire(rows.count, 0);
      device_.minimizers(set, domains, space_.data(kept_[0]), extent, relaxation_.lo.data(),
                         relaxation_.hi.data(), space_.data(value[0]));
      continue;
    }
    if (net_.elementwise(v)) {
      const int u = net_.inputs(v)[0];
      // In place where nothing else reads the input.
      const bool in_place = left[u] == 1 && extent == plan_.extent[u];
      const int buffer = in_place ? value[u] : acquire(rows.count, v);
      device_.push_lines(set, domains, relaxation_.lines[v].view(), rows.slopes(v),
                         rows.splits.empty() ? nullptr : &rows.splits[v], kept(v, 0), extent,
                         space_.data(value[u]), plan_.extent[u], space_.data(buffer), step);
      if (in_place) {
        value[u] = -1;
        left[u] = 0;
      } else {
        done_with(u);
      }
      value[v] = buffer;
      if (!plan_.push[v]) {
        space_.release(buffer);
        value[v] = -1;
      }
      continue;
    }
    if (!plan_.push[v]) continue;
    const auto& inputs = net_.inputs(v);
    std::vector<const T*> x;
    std::vector<const Extent*> in;
    value[v] = acquire(rows.count, v);
    for (int u : inputs) {
      x.push_back(space_.data(value[u]));
      in.push_back(&plan_.extent[u]);
    }
    net_.affine(v)->push(set, x.data(), in.data(), space_.data(value[v]), extent);
    for (int u : inputs) done_with(u);
  }
  if (start_value != nullptr) {
    const std::size_t n = static_cast<std::size_t>(rows.count) * plan_.extent[plan_.start].size();
    device_.reserve(*start_value, n);
    device_.copy(space_.data(value[plan_.start]), n, start_value->data());
  }
  for (int b : value) {
    if (b >= 0) space_.release(b);
  }
}

template <class T, class D>
void Pass<T, D>::end() {
  for (int& b : kept_) {
    if (b >= 0) space_.release(b);
    b = -1;
  }
}

}  // namespace coronet::bound
