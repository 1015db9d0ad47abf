// What one element of a row goes through, written once for the CPU's kernels and for CUDA's.
//
// Plain products and sums, never contracted (both sides are built without contraction), so that the
// CPU and the GPU give an element the same bits. Everything is static and always inlined: the
// kernels are compiled once for each instruction set, and nothing of one may be linked into
// another.
#pragma once

#include "kernels/elementwise.h"

#if defined(__CUDACC__)
#define CORONET_FORMULA static __host__ __device__ __forceinline__
#else
#define CORONET_FORMULA static inline __attribute__((always_inline))
#endif

namespace coronet::kernels {

#if defined(__CUDA_ARCH__)
CORONET_FORMULA float root(float x) { return sqrtf(x); }
CORONET_FORMULA double root(double x) { return sqrt(x); }
#else
CORONET_FORMULA float root(float x) { return __builtin_sqrtf(x); }
CORONET_FORMULA double root(double x) { return __builtin_sqrt(x); }
#endif

/// What a pulls through the line that its sign chooses.
template <class T>
CORONET_FORMULA T pulled_slope(T a, T lower, T upper) {
  return a * (a >= 0 ? lower : upper);
}

/// What a adds to the bias where the lower line passes through zero, as ReLU's does.
template <class T>
CORONET_FORMULA T pulled_upper_intercept(T a, T tu) {
  return a >= 0 ? T(0) : a * tu;
}

/// What a adds to the bias where both lines have intercepts.
template <class T>
CORONET_FORMULA T pulled_intercept(T a, T tl, T tu) {
  return a * (a >= 0 ? tl : tu);
}

/// The least value of a x for x in [lo, hi].
template <class T>
CORONET_FORMULA T least_product(T a, T lo, T hi) {
  return a * (a >= 0 ? lo : hi);
}

/// The x in [lo, hi] that gives it; the middle where all do.
template <class T>
CORONET_FORMULA T least_point(T a, T lo, T hi) {
  const T middle = (lo + hi) * T(0.5);
  const T end = a > 0 ? lo : hi;
  return a == 0 ? middle : end;
}

/// z through the line that the sign of a chose, the lower one through zero.
template <class T>
CORONET_FORMULA T pushed_relu(T a, T z, T alpha, T su, T tu) {
  const T low = alpha * z;
  const T high = su * z + tu;
  return a >= 0 ? low : high;
}

/// The same where both lines have intercepts.
template <class T>
CORONET_FORMULA T pushed_line(T a, T z, T sl, T tl, T su, T tu) {
  const T low = sl * z + tl;
  const T high = su * z + tu;
  return a >= 0 ? low : high;
}

/// One step of Adam upwards along g, with alpha kept in [floor, 1].
template <class T>
CORONET_FORMULA void step_alpha(const AdamStep<T>& s, T g, T floor, T& alpha, T& m, T& v) {
  m = s.beta1 * m + (1 - s.beta1) * g;
  v = s.beta2 * v + (1 - s.beta2) * (g * g);
  T next = alpha + s.rate * m / (root(v * s.inv_scale2) + s.epsilon);
  next = next < floor ? floor : next;
  alpha = next > 1 ? T(1) : next;
}

/// The gradient of alpha, where it may be chosen.
template <class T>
CORONET_FORMULA T alpha_gradient(T a, T z, T free) {
  return a >= 0 ? a * z * free : T(0);
}

/// One step of Adam upwards along g, with beta kept above zero.
template <class T>
CORONET_FORMULA void step_beta(const AdamStep<T>& s, T g, T& beta, T& m, T& v) {
  m = s.beta1 * m + (1 - s.beta1) * g;
  v = s.beta2 * v + (1 - s.beta2) * g * g;
  beta += s.rate * m / (root(v * s.inv_scale2) + s.epsilon);
  beta = beta < 0 ? T(0) : beta;
}

/// What splitting the neuron would give back at most: the intercept of its upper line.
template <class T>
CORONET_FORMULA T split_gain(T a, T tu, T free) {
  return a < 0 ? -a * tu * free : T(0);
}

}  // namespace coronet::kernels
