// Compiled once for each instruction set in its own namespace: nothing here may be shared by the
// linker (no std templates).
#include "kernels/elementwise.h"

#include "kernels/formulas.h"

// The next loop's iterations are independent although out may be z: element i is read before it is
// written. (clang checks for overlap at run time instead, and would make a loop that it does not
// vectorise an error.)
#if defined(__clang__)
#define CORONET_INDEPENDENT
#else
#define CORONET_INDEPENDENT _Pragma("GCC ivdep")
#endif

namespace coronet::kernels::CORONET_ISA {

namespace {

constexpr int kLanes = 32;

template <class T>
inline T reduce(T* lane) {
  for (int half = kLanes / 2; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) lane[i] += lane[i + half];
  }
  return lane[0];
}

/// Sum of term(i) over i < n in virtual lanes: element i belongs to lane i mod 32.
template <class T, class Term>
inline __attribute__((always_inline)) T lane_sum(int n, Term term) {
  T lane[kLanes] = {};
  int i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (int j = 0; j < kLanes; ++j) lane[j] += term(i + j);
  }
  for (int j = 0; i + j < n; ++j) lane[j] += term(i + j);
  return reduce(lane);
}

template <class T>
T dot(int n, const T* __restrict a, const T* __restrict b) {
  return lane_sum<T>(n, [=](int i) { return a[i] * b[i]; });
}

template <class T>
T abs_dot(int n, const T* __restrict a, const T* __restrict w) {
  return lane_sum<T>(n, [=](int i) { return (a[i] < 0 ? -a[i] : a[i]) * w[i]; });
}

template <class T>
T periodic_dot(int n, const T* __restrict a, int period, const T* __restrict b) {
  T total = 0;
  for (int first = 0; first < period; first += kLanes) {
    const int width = period - first < kLanes ? period - first : kLanes;
    T lane[kLanes] = {};
    if (width == kLanes) {
      for (int at = first; at < n; at += period) {
        for (int j = 0; j < kLanes; ++j) lane[j] += a[at + j];
      }
    } else {
      for (int at = first; at < n; at += period) {
        for (int j = 0; j < width; ++j) lane[j] += a[at + j];
      }
    }
    for (int j = 0; j < width; ++j) lane[j] *= b[first + j];
    total += reduce(lane);
  }
  return total;
}

template <class T>
T concretize(int n, const T* __restrict a, const T* __restrict lo, const T* __restrict hi) {
  return lane_sum<T>(n, [=](int i) { return least_product(a[i], lo[i], hi[i]); });
}

template <class T>
void minimizer(int n, const T* __restrict a, const T* __restrict lo, const T* __restrict hi,
               T* __restrict x) {
  for (int i = 0; i < n; ++i) x[i] = least_point(a[i], lo[i], hi[i]);
}

template <bool kAdd, class T>
inline __attribute__((always_inline)) T relu_pull_as(int n, const T* __restrict a,
                                                     const T* __restrict alpha,
                                                     const T* __restrict su, const T* __restrict tu,
                                                     T* __restrict out) {
  return lane_sum<T>(n, [=](int i) {
    const T pulled = pulled_slope(a[i], alpha[i], su[i]);
    out[i] = kAdd ? out[i] + pulled : pulled;
    return pulled_upper_intercept(a[i], tu[i]);
  });
}

template <class T>
T relu_pull(int n, const T* a, const T* alpha, const T* su, const T* tu, T* out, bool add) {
  return add ? relu_pull_as<true>(n, a, alpha, su, tu, out)
             : relu_pull_as<false>(n, a, alpha, su, tu, out);
}

template <class T>
T line_pull(int n, const T* __restrict a, const T* __restrict sl, const T* __restrict tl,
            const T* __restrict su, const T* __restrict tu, T* __restrict out, bool add) {
  return lane_sum<T>(n, [=](int i) {
    const T pulled = pulled_slope(a[i], sl[i], su[i]);
    out[i] = add ? out[i] + pulled : pulled;
    return pulled_intercept(a[i], tl[i], tu[i]);
  });
}

template <class T>
void relu_push(int n, const T* __restrict a, const T* z, const T* __restrict alpha,
               const T* __restrict su, const T* __restrict tu, T* out) {
  CORONET_INDEPENDENT
  for (int i = 0; i < n; ++i) out[i] = pushed_relu(a[i], z[i], alpha[i], su[i], tu[i]);
}

template <class T>
void relu_push_adam(int n, const T* __restrict a, const T* z, T* __restrict alpha, T* __restrict m,
                    T* __restrict v, const T* __restrict su, const T* __restrict tu,
                    const T* __restrict free, T floor, const AdamStep<T>* step, T* out) {
  // As pushed_relu, alpha_gradient and step_alpha have it, which g++ makes a slower loop of.
  const AdamStep<T> s = *step;
  const T gain1 = 1 - s.beta1;
  const T gain2 = 1 - s.beta2;
  CORONET_INDEPENDENT
  for (int i = 0; i < n; ++i) {
    const bool lower = a[i] >= 0;
    const T zi = z[i];
    const T low = alpha[i] * zi;
    const T high = su[i] * zi + tu[i];
    const T g = lower ? a[i] * zi * free[i] : T(0);
    const T mi = s.beta1 * m[i] + gain1 * g;
    const T vi = s.beta2 * v[i] + gain2 * (g * g);
    T next = alpha[i] + s.rate * mi / (root(vi * s.inv_scale2) + s.epsilon);
    next = next < floor ? floor : next;
    next = next > 1 ? T(1) : next;
    m[i] = mi;
    v[i] = vi;
    alpha[i] = next;
    out[i] = lower ? low : high;
  }
}

template <class T>
void line_push(int n, const T* __restrict a, const T* z, const T* __restrict sl,
               const T* __restrict tl, const T* __restrict su, const T* __restrict tu, T* out) {
  CORONET_INDEPENDENT
  for (int i = 0; i < n; ++i) out[i] = pushed_line(a[i], z[i], sl[i], tl[i], su[i], tu[i]);
}

template <class T>
int split_score(int n, const T* __restrict a, const T* __restrict tu, const T* __restrict free,
                T* best) {
  T lane[kLanes] = {};
  int i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (int j = 0; j < kLanes; ++j) {
      const T score = split_gain(a[i + j], tu[i + j], free[i + j]);
      lane[j] = score > lane[j] ? score : lane[j];
    }
  }
  for (int j = 0; i + j < n; ++j) {
    const T score = split_gain(a[i + j], tu[i + j], free[i + j]);
    lane[j] = score > lane[j] ? score : lane[j];
  }
  T top = 0;
  for (int j = 0; j < kLanes; ++j) top = lane[j] > top ? lane[j] : top;
  *best = top;
  if (!(top > 0)) return -1;
  for (i = 0; i < n; ++i) {
    const T score = split_gain(a[i], tu[i], free[i]);
    if (score == top) return i;
  }
  return -1;
}

template <class T>
ElementwiseTable<T> make_table() {
  return {dot<T>,       abs_dot<T>,   periodic_dot<T>,   concretize<T>, minimizer<T>,  relu_pull<T>,
          line_pull<T>, relu_push<T>, relu_push_adam<T>, line_push<T>,  split_score<T>};
}

}  // namespace

const ElementwiseTable<float>& elementwise_float() {
  static const ElementwiseTable<float> table = make_table<float>();
  return table;
}
const ElementwiseTable<double>& elementwise_double() {
  static const ElementwiseTable<double> table = make_table<double>();
  return table;
}

}  // namespace coronet::kernels::CORONET_ISA
