#include "bound/engine.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "device/vector.h"

namespace coronet::bound {

namespace {

int domain_of(const std::vector<int>& domain, int r) { return domain.empty() ? 0 : domain[r]; }

}  // namespace

template <class T>
Step<T> adam_step(int iteration, double lr_alpha, double lr_beta) {
  Step<T> step;
  const double t = iteration + 1;
  const auto fill = [&](kernels::AdamStep<T>& s, double lr) {
    s.rate = static_cast<T>(lr / (1 - std::pow(0.9, t)));
    s.inv_scale2 = static_cast<T>(1 / (1 - std::pow(0.999, t)));
  };
  fill(step.alpha, lr_alpha);
  fill(step.beta, lr_beta);
  return step;
}

void add_magnitudes(const Network<double>& net, const Bounds& bounds, int v, Magnitudes& m) {
  const auto of = [&](int node) {
    const std::size_t n = net.size(node);
    AlignedVector<double> largest(n, 0.0);
    for (std::size_t i = 0; i < bounds.lo[node].size(); ++i) {
      const double a = std::max(std::fabs(bounds.lo[node][i]), std::fabs(bounds.hi[node][i]));
      largest[i % n] = std::max(largest[i % n], a);
    }
    return largest;
  };
  const auto& inputs = net.inputs(v);
  if (v == 0) {
    m.value[0] = of(0);
  } else if (net.elementwise(v)) {
    // |s z| + |t| with |s| <= 1 and |t| <= |z| + 1 (the intercept of a line that meets the function
    // on [lo, hi]).
    m.value[v] = of(inputs[0]);
    for (double& x : m.value[v]) x = 2 * x + 1;
  } else {
    std::vector<AlignedVector<double>> parts;
    std::vector<const double*> in;
    for (int u : inputs) parts.push_back(of(u));
    for (const auto& p : parts) in.push_back(p.data());
    m.affine[v].resize(net.size(v));
    net.affine(v)->apply_abs(in.data(), m.affine[v].data());
    for (int i = 0; i < net.size(v); ++i) m.affine[v][i] += std::fabs(net.affine(v)->bias_of(i));
  }
}

template <class T>
void Pass<T>::start(const Rows<T>& rows, std::vector<int>& a, std::vector<double>& bias) {
  const int v = plan_.start;
  const std::size_t n = plan_.extent[v].size();
  const Affine<T>* op = net_.affine(v);
  if (rows.selection && op != nullptr && plan_.extent[v].whole) {
    // Rows of W are copied: no identity is ever multiplied.
    const int u = net_.inputs(v)[0];
    const int buffer =
        space_.acquire(static_cast<std::size_t>(rows.count) * plan_.extent[u].size());
    if (op->pull_selection(rows.count, rows.neuron.data(), rows.sign.data(), space_.data(buffer))) {
      a[u] = buffer;
      for (int r = 0; r < rows.count; ++r) bias[r] += rows.sign[r] * op->bias_of(rows.neuron[r]);
      return;
    }
    space_.release(buffer);
  }
  a[v] = space_.acquire(static_cast<std::size_t>(rows.count) * n);
  T* to = space_.data(a[v]);
  if (!rows.selection) {
    std::copy(rows.dense.begin(), rows.dense.end(), to);
    return;
  }
  std::fill(to, to + rows.count * n, T(0));
  for (int r = 0; r < rows.count; ++r) {
    to[r * n + offset_in(plan_.extent[v], rows.set(), r, rows.neuron[r])] = rows.sign[r];
  }
}

template <class T>
void Pass<T>::pull_elementwise(const Rows<T>& rows, int v, T* a, T* u, bool add,
                               std::vector<double>& bias) {
  const auto& k = device::elementwise<T>();
  const Lines<T>& lines = relaxation_.lines[v];
  const Extent& out = plan_.extent[v];
  const Extent& in = plan_.extent[net_.inputs(v)[0]];
  const RowSet set = rows.set();
  const bool has_alpha = !rows.alpha.empty() && !rows.alpha[v].value.empty();
  const bool same = out == in;
  if (!add && !same) std::fill(u, u + static_cast<std::size_t>(rows.count) * in.size(), T(0));
  for (int r = 0; r < rows.count; ++r) {
    T* row = a + static_cast<std::size_t>(r) * out.size();
    T* to_row = u + static_cast<std::size_t>(r) * in.size();
    const std::size_t base = lines.at(domain_of(rows.domain, r));
    const auto* splits = rows.splits.empty() ? nullptr : &rows.splits[v][r];
    // A split neuron takes no line: its entry is set aside, then pulled with slope 1 or 0 and its
    // beta.
    std::vector<T> aside;
    if (splits != nullptr) {
      for (const Split<T>& s : *splits) {
        aside.push_back(row[s.neuron]);
        row[s.neuron] = 0;
      }
    }
    T sum = 0;
    for_each_run(
        out, set, r,
        [&](int offset, int node, int n) {
          T* to = to_row + (same ? offset : offset_in(in, set, r, node));
          const std::size_t at = base + node;
          if (lines.relu) {
            const T* alpha = has_alpha ? rows.alpha[v].value.data() +
                                             static_cast<std::size_t>(r) * out.size() + offset
                                       : lines.sl.data() + at;
            sum += k.relu_pull(n, row + offset, alpha, lines.su.data() + at, lines.tu.data() + at,
                               to, add);
          } else {
            sum += k.line_pull(n, row + offset, lines.sl.data() + at, lines.tl.data() + at,
                               lines.su.data() + at, lines.tu.data() + at, to, add);
          }
        },
        [&](int offset, int n) {
          if (same && !add) std::fill(to_row + offset, to_row + offset + n, T(0));
        });
    if (splits != nullptr) {
      std::size_t i = 0;
      for (const Split<T>& s : *splits) {
        const T value = aside[i++];
        row[s.neuron] = value;
        to_row[s.neuron] += (s.sign > 0 ? value : lines.floor * value) - s.sign * s.beta;
      }
    }
    bias[r] += sum;
  }
}

template <class T>
void Pass<T>::pull(const Rows<T>& rows, bool keep, std::vector<T>& bound,
                   const Magnitudes* magnitude, std::vector<double>* error) {
  end();
  const RowSet set = rows.set();
  std::vector<int> a(plan_.start + 1, -1);
  kept_.assign(plan_.start + 1, -1);
  std::vector<double> bias(rows.count, 0.0);
  if (!rows.constant.empty()) bias = rows.constant;
  if (error != nullptr) {
    error->assign(rows.count, 0.0);
    for (int r = 0; r < rows.count; ++r) {
      (*error)[r] = gamma(static_cast<double>(plan_.order.size()) + 8) * std::fabs(bias[r]);
    }
  }
  // Where a row's A at node v is multiplied by numbers of size w, K to a sum, rounding costs at
  // most gamma(K) |A| w.
  const auto charge = [&](int v, const AlignedVector<double>& w, double terms) {
    const Extent& e = plan_.extent[v];
    const auto* from = space_.data(a[v]);
    const double roundings = terms + 64 + static_cast<double>(plan_.order.size());
    // A product below the normal numbers is off by up to half of the least one, however small it
    // is, and what it is off by is multiplied by w further on.
    double all = 1 + static_cast<double>(e.size());
    for (const double x : w) all += x;
    const double lost = underflow(roundings * all);
    for (int r = 0; r < rows.count; ++r) {
      double sum = 0;
      for_each_run(
          e, set, r,
          [&](int offset, int node, int n) {
            if constexpr (std::is_same_v<T, double>) {
              sum += device::elementwise<double>().abs_dot(
                  n, from + static_cast<std::size_t>(r) * e.size() + offset, w.data() + node);
            }
          },
          [](int, int) {});
      // The spare terms cover the sums over consumers and over nodes.
      (*error)[r] += gamma(roundings) * sum + lost;
    }
  };
  start(rows, a, bias);
  std::vector<T> partial(rows.count);
  for (int v : plan_.order) {
    if (a[v] < 0) continue;  // the start, where its selection went straight to its input
    if (v == 0) break;
    const Extent& out = plan_.extent[v];
    if (net_.elementwise(v)) {
      if (error != nullptr) charge(v, magnitude->value[v], out.size());
      const int u = net_.inputs(v)[0];
      const bool add = a[u] >= 0;
      if (!add)
        a[u] = space_.acquire(static_cast<std::size_t>(rows.count) * plan_.extent[u].size());
      pull_elementwise(rows, v, space_.data(a[v]), space_.data(a[u]), add, bias);
      if (keep) {
        kept_[v] = a[v];
      } else {
        space_.release(a[v]);
      }
      continue;
    }
    const Affine<T>& op = *net_.affine(v);
    if (error != nullptr) charge(v, magnitude->affine[v], op.terms());
    std::fill(partial.begin(), partial.end(), T(0));
    op.bias(set, space_.data(a[v]), out, partial.data());
    for (int r = 0; r < rows.count; ++r) bias[r] += partial[r];
    const auto& inputs = net_.inputs(v);
    for (int k = 0; k < static_cast<int>(inputs.size()); ++k) {
      const int u = inputs[k];
      const bool add = a[u] >= 0;
      if (!add)
        a[u] = space_.acquire(static_cast<std::size_t>(rows.count) * plan_.extent[u].size());
      op.pull(set, space_.data(a[v]), out, k, space_.data(a[u]), plan_.extent[u], add);
    }
    space_.release(a[v]);
  }

  // At the input box. Rows whose form does not reach the input (a constant network) have no A
  // there.
  const Extent& in = plan_.extent[0];
  const std::size_t n0 = in.size();
  if (a[0] < 0) {
    a[0] = space_.acquire(rows.count * n0);
    std::fill(space_.data(a[0]), space_.data(a[0]) + rows.count * n0, T(0));
  }
  T* ain = space_.data(a[0]);
  if (!rows.input.empty()) {
    for (std::size_t i = 0; i < rows.count * n0; ++i) ain[i] += rows.input[i];
  }
  if (error != nullptr) charge(0, magnitude->value[0], static_cast<double>(n0));
  bound.resize(rows.count);
  const std::size_t inputs = net_.size(0);
  for (int r = 0; r < rows.count; ++r) {
    const std::size_t base = domain_of(rows.domain, r) * inputs;
    T sum = 0;
    for_each_run(
        in, set, r,
        [&](int offset, int node, int n) {
          sum += device::elementwise<T>().concretize(n, ain + r * n0 + offset,
                                                     relaxation_.lo.data() + base + node,
                                                     relaxation_.hi.data() + base + node);
        },
        [](int, int) {});
    bound[r] = static_cast<T>(bias[r] + sum);
    if (error != nullptr)
      (*error)[r] += gamma(static_cast<double>(plan_.order.size()) + 8) * std::fabs(bias[r]);
  }
  if (keep) {
    kept_[0] = a[0];
  } else {
    space_.release(a[0]);
  }
}

template <class T>
void Pass<T>::minimizer(const Rows<T>& rows, int r, T* x) const {
  const std::size_t base = domain_of(rows.domain, r) * static_cast<std::size_t>(net_.size(0));
  device::elementwise<T>().minimizer(net_.size(0), input_a(r), relaxation_.lo.data() + base,
                                     relaxation_.hi.data() + base, x);
}

template <class T>
void Pass<T>::push_elementwise(Rows<T>& rows, int v, const T* z, T* out, const Step<T>* step) {
  const auto& k = device::elementwise<T>();
  const Lines<T>& lines = relaxation_.lines[v];
  const Extent& extent = plan_.extent[v];
  const Extent& in = plan_.extent[net_.inputs(v)[0]];
  const RowSet set = rows.set();
  const bool has_alpha = !rows.alpha.empty() && !rows.alpha[v].value.empty();
  const bool same = extent == in;
  const std::size_t width = extent.size();
  for (int r = 0; r < rows.count; ++r) {
    const T* row = kept(v, r);
    const T* from = z + static_cast<std::size_t>(r) * in.size();
    T* to = out + r * width;
    const std::size_t base = lines.at(domain_of(rows.domain, r));
    std::vector<Split<T>>* splits = rows.splits.empty() ? nullptr : &rows.splits[v][r];
    // out may be z itself, so the split neurons' values are read first.
    std::vector<T> aside;
    if (splits != nullptr) {
      for (const Split<T>& s : *splits) aside.push_back(from[s.neuron]);
    }
    for_each_run(
        extent, set, r,
        [&](int offset, int node, int n) {
          const T* zi = from + (same ? offset : offset_in(in, set, r, node));
          const std::size_t at = base + node;
          if (!lines.relu) {
            k.line_push(n, row + offset, zi, lines.sl.data() + at, lines.tl.data() + at,
                        lines.su.data() + at, lines.tu.data() + at, to + offset);
            return;
          }
          if (!has_alpha) {
            k.relu_push(n, row + offset, zi, lines.sl.data() + at, lines.su.data() + at,
                        lines.tu.data() + at, to + offset);
            return;
          }
          typename Rows<T>::Alpha& alpha = rows.alpha[v];
          const std::size_t first = r * width + offset;
          if (step != nullptr) {
            k.relu_push_adam(n, row + offset, zi, alpha.value.data() + first,
                             alpha.m.data() + first, alpha.v.data() + first, lines.su.data() + at,
                             lines.tu.data() + at, lines.free.data() + at, lines.floor,
                             &step->alpha, to + offset);
          } else {
            k.relu_push(n, row + offset, zi, alpha.value.data() + first, lines.su.data() + at,
                        lines.tu.data() + at, to + offset);
          }
        },
        [&](int offset, int n) { std::fill(to + offset, to + offset + n, T(0)); });
    if (splits != nullptr) {
      std::size_t i = 0;
      for (Split<T>& s : *splits) {
        const T zs = aside[i++];
        to[s.neuron] = s.sign > 0 ? zs : lines.floor * zs;
        if (step == nullptr) continue;
        const kernels::AdamStep<T>& adam = step->beta;
        const T g = -s.sign * zs;
        s.m = adam.beta1 * s.m + (1 - adam.beta1) * g;
        s.v = adam.beta2 * s.v + (1 - adam.beta2) * g * g;
        s.beta += adam.rate * s.m / (std::sqrt(s.v * adam.inv_scale2) + adam.epsilon);
        s.beta = std::max(s.beta, T(0));
      }
    }
  }
}

template <class T>
void Pass<T>::push(Rows<T>& rows, const Step<T>* step, AlignedVector<T>* start_value) {
  const RowSet set = rows.set();
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
    const std::size_t n = extent.size();
    if (v == 0) {
      if (!plan_.push[0]) continue;
      value[0] = space_.acquire(rows.count * n);
      T* x = space_.data(value[0]);
      const T* a = space_.data(kept_[0]);
      for (int r = 0; r < rows.count; ++r) {
        const std::size_t base = domain_of(rows.domain, r) * static_cast<std::size_t>(net_.size(0));
        for_each_run(
            extent, set, r,
            [&](int offset, int node, int m) {
              device::elementwise<T>().minimizer(
                  m, a + r * n + offset, relaxation_.lo.data() + base + node,
                  relaxation_.hi.data() + base + node, x + r * n + offset);
            },
            [&](int offset, int m) {
              std::fill(x + r * n + offset, x + r * n + offset + m, T(0));
            });
      }
      continue;
    }
    if (net_.elementwise(v)) {
      const int u = net_.inputs(v)[0];
      // In place where nothing else reads the input.
      const bool in_place = left[u] == 1 && extent == plan_.extent[u];
      const int buffer = in_place ? value[u] : space_.acquire(rows.count * n);
      push_elementwise(rows, v, space_.data(value[u]), space_.data(buffer), step);
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
    value[v] = space_.acquire(rows.count * n);
    for (int u : inputs) {
      x.push_back(space_.data(value[u]));
      in.push_back(&plan_.extent[u]);
    }
    net_.affine(v)->push(set, x.data(), in.data(), space_.data(value[v]), extent);
    for (int u : inputs) done_with(u);
  }
  if (start_value != nullptr) {
    const T* from = space_.data(value[plan_.start]);
    start_value->assign(
        from, from + static_cast<std::size_t>(rows.count) * plan_.extent[plan_.start].size());
  }
  for (int b : value) {
    if (b >= 0) space_.release(b);
  }
}

template <class T>
void Pass<T>::end() {
  for (int& b : kept_) {
    if (b >= 0) space_.release(b);
    b = -1;
  }
}

template Step<float> adam_step(int, double, double);
template Step<double> adam_step(int, double, double);
template class Pass<float>;
template class Pass<double>;

}  // namespace coronet::bound
