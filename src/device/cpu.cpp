#include "device/cpu.h"

#include <cmath>

#include "device/vector.h"

namespace coronet::device {

namespace {

std::size_t domain_of(const int* domain, int r) { return domain == nullptr ? 0 : domain[r]; }

}  // namespace

template <class T>
void Cpu::unit_rows(const RowSet& rows, const Extent& e, const int* neuron, const T* sign,
                    T* to) const {
  const std::size_t n = e.size();
  std::fill(to, to + rows.count * n, T(0));
  for (int r = 0; r < rows.count; ++r) to[r * n + offset_in(e, rows, r, neuron[r])] = sign[r];
}

template <class T>
void Cpu::pull_lines(const RowSet& rows, const int* domain, const LinesAt<T>& lines, const T* alpha,
                     const Splits<T>* splits, T* a, const Extent& out, T* u, const Extent& in,
                     bool add, double* bias) const {
  const auto& k = elementwise<T>();
  const bool same = out == in;
  if (!add && !same) std::fill(u, u + static_cast<std::size_t>(rows.count) * in.size(), T(0));
  for (int r = 0; r < rows.count; ++r) {
    T* row = a + static_cast<std::size_t>(r) * out.size();
    T* to_row = u + static_cast<std::size_t>(r) * in.size();
    const std::size_t base = domain_of(domain, r) * lines.size;
    const auto* split = splits == nullptr ? nullptr : &(*splits)[r];
    // A split neuron takes no line: its entry is set aside, then pulled with slope 1 or 0 and its
    // beta. Splits outside the row's window do not concern it.
    std::vector<T> aside;
    if (split != nullptr) {
      for (const Split<T>& s : *split) {
        const int at = offset_if_inside(out, rows, r, s.neuron);
        aside.push_back(at < 0 ? T(0) : row[at]);
        if (at >= 0) row[at] = 0;
      }
    }
    T sum = 0;
    for_each_run(
        out, rows, r,
        [&](int offset, int node, int n) {
          T* to = to_row + (same ? offset : offset_in(in, rows, r, node));
          const std::size_t at = base + node;
          if (lines.relu) {
            const T* lower = alpha != nullptr
                                 ? alpha + static_cast<std::size_t>(r) * out.size() + offset
                                 : lines.sl + at;
            sum += k.relu_pull(n, row + offset, lower, lines.su + at, lines.tu + at, to, add);
          } else {
            sum += k.line_pull(n, row + offset, lines.sl + at, lines.tl + at, lines.su + at,
                               lines.tu + at, to, add);
          }
        },
        [&](int offset, int n) {
          if (same && !add) std::fill(to_row + offset, to_row + offset + n, T(0));
        });
    if (split != nullptr) {
      std::size_t i = 0;
      for (const Split<T>& s : *split) {
        const T value = aside[i++];
        const int at = offset_if_inside(out, rows, r, s.neuron);
        if (at < 0) continue;
        row[at] = value;
        to_row[same ? at : offset_in(in, rows, r, s.neuron)] +=
            (s.sign > 0 ? value : lines.floor * value) - s.sign * s.beta;
      }
    }
    bias[r] += sum;
  }
}

template <class T>
void Cpu::push_lines(const RowSet& rows, const int* domain, const LinesAt<T>& lines,
                     const SlopesAt<T>& slopes, Splits<T>* splits, const T* a, const Extent& out,
                     const T* z, const Extent& in, T* to_all, const Step<T>* step) const {
  const auto& k = elementwise<T>();
  const bool same = out == in;
  const std::size_t width = out.size();
  for (int r = 0; r < rows.count; ++r) {
    const T* row = a + r * width;
    const T* from = z + static_cast<std::size_t>(r) * in.size();
    T* to = to_all + r * width;
    const std::size_t base = domain_of(domain, r) * lines.size;
    std::vector<Split<T>>* split = splits == nullptr ? nullptr : &(*splits)[r];
    kernels::AdamStep<T> alpha_step;
    if (step != nullptr) {
      alpha_step = step->alpha;
      if (slopes.rate != nullptr) alpha_step.rate *= slopes.rate[r];
    }
    // to may be z itself, so the split neurons' values are read first.
    std::vector<T> aside;
    if (split != nullptr) {
      for (const Split<T>& s : *split) {
        const int at = offset_if_inside(in, rows, r, s.neuron);
        aside.push_back(at < 0 ? T(0) : from[at]);
      }
    }
    for_each_run(
        out, rows, r,
        [&](int offset, int node, int n) {
          const T* zi = from + (same ? offset : offset_in(in, rows, r, node));
          const std::size_t at = base + node;
          if (!lines.relu) {
            k.line_push(n, row + offset, zi, lines.sl + at, lines.tl + at, lines.su + at,
                        lines.tu + at, to + offset);
            return;
          }
          const std::size_t first = r * width + offset;
          if (slopes.value != nullptr && step != nullptr) {
            k.relu_push_adam(n, row + offset, zi, slopes.value + first, slopes.m + first,
                             slopes.v + first, lines.su + at, lines.tu + at, lines.free + at,
                             lines.floor, &alpha_step, to + offset);
          } else {
            const T* alpha = slopes.value != nullptr ? slopes.value + first : lines.sl + at;
            k.relu_push(n, row + offset, zi, alpha, lines.su + at, lines.tu + at, to + offset);
          }
        },
        [&](int offset, int n) { std::fill(to + offset, to + offset + n, T(0)); });
    if (split == nullptr) continue;
    std::size_t i = 0;
    for (Split<T>& s : *split) {
      const T zs = aside[i++];
      const int at = offset_if_inside(out, rows, r, s.neuron);
      if (at < 0) continue;
      to[at] = s.sign > 0 ? zs : lines.floor * zs;
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

template <class T>
void Cpu::start_slopes(const RowSet& rows, const int* domain, const LinesAt<T>& lines,
                       const Extent& e, T* slopes) const {
  for (int r = 0; r < rows.count; ++r) {
    T* to = slopes + static_cast<std::size_t>(r) * e.size();
    const T* from = lines.sl + domain_of(domain, r) * lines.size;
    for_each_run(
        e, rows, r,
        [&](int offset, int node, int n) { std::copy(from + node, from + node + n, to + offset); },
        [&](int offset, int n) { std::fill(to + offset, to + offset + n, T(0)); });
  }
}

template <class T>
void Cpu::concretize(const RowSet& rows, const int* domain, const T* a, const Extent& e,
                     const T* lo, const T* hi, const double* bias, T* bound) const {
  const std::size_t inputs = e.shape.size();
  for (int r = 0; r < rows.count; ++r) {
    const std::size_t base = domain_of(domain, r) * inputs;
    const T* row = a + static_cast<std::size_t>(r) * e.size();
    T sum = 0;
    for_each_run(
        e, rows, r,
        [&](int offset, int node, int n) {
          sum += elementwise<T>().concretize(n, row + offset, lo + base + node, hi + base + node);
        },
        [](int, int) {});
    bound[r] = static_cast<T>(bias[r] + sum);
  }
}

template <class T>
void Cpu::minimizers(const RowSet& rows, const int* domain, const T* a, const Extent& e,
                     const T* lo, const T* hi, T* x) const {
  const std::size_t inputs = e.shape.size();
  for (int r = 0; r < rows.count; ++r) {
    const std::size_t base = domain_of(domain, r) * inputs;
    const std::size_t first = static_cast<std::size_t>(r) * e.size();
    for_each_run(
        e, rows, r,
        [&](int offset, int node, int n) {
          elementwise<T>().minimizer(n, a + first + offset, lo + base + node, hi + base + node,
                                     x + first + offset);
        },
        [&](int offset, int n) { std::fill(x + first + offset, x + first + offset + n, T(0)); });
  }
}

void Cpu::charge(const RowSet& rows, const double* a, const Extent& e, const double* w,
                 double factor, double* error) const {
  for (int r = 0; r < rows.count; ++r) {
    double sum = 0;
    for_each_run(
        e, rows, r,
        [&](int offset, int node, int n) {
          sum += elementwise<double>().abs_dot(
              n, a + static_cast<std::size_t>(r) * e.size() + offset, w + node);
        },
        [](int, int) {});
    error[r] += factor * sum;
  }
}

void Cpu::charge_bias(int count, const double* bias, double factor, double* error) const {
  for (int r = 0; r < count; ++r) error[r] += factor * std::fabs(bias[r]);
}

#define CORONET_INSTANTIATE(T)                                                                     \
  template void Cpu::unit_rows(const RowSet&, const Extent&, const int*, const T*, T*) const;      \
  template void Cpu::pull_lines(const RowSet&, const int*, const LinesAt<T>&, const T*,            \
                                const Splits<T>*, T*, const Extent&, T*, const Extent&, bool,      \
                                double*) const;                                                    \
  template void Cpu::push_lines(const RowSet&, const int*, const LinesAt<T>&, const SlopesAt<T>&,  \
                                Splits<T>*, const T*, const Extent&, const T*, const Extent&, T*,  \
                                const Step<T>*) const;                                             \
  template void Cpu::start_slopes(const RowSet&, const int*, const LinesAt<T>&, const Extent&, T*) \
      const;                                                                                       \
  template void Cpu::concretize(const RowSet&, const int*, const T*, const Extent&, const T*,      \
                                const T*, const double*, T*) const;                                \
  template void Cpu::minimizers(const RowSet&, const int*, const T*, const Extent&, const T*,      \
                                const T*, T*) const;
CORONET_INSTANTIATE(float)
CORONET_INSTANTIATE(double)
#undef CORONET_INSTANTIATE

}  // namespace coronet::device
