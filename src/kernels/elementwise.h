// Loops over one contiguous piece of a row; compiled once for each instruction set (see
// cmake/kernels.cmake). Sums run over 32 virtual lanes and a fixed tree, so that every instruction
// set gives the same bits.
#pragma once

namespace coronet::kernels {

/// Adam's constants of one iteration (Kingma & Ba 2015), for ascent, bias corrections folded in.
template <class T>
struct AdamStep {
  T beta1 = T(0.9);
  T beta2 = T(0.999);
  T rate = 0;        ///< lr / (1 - beta1^t)
  T inv_scale2 = 1;  ///< 1 / (1 - beta2^t)
  T epsilon = T(1e-8);
};

/// In all of these: a is the row's A-matrix at the output of an elementwise node, z the pushed
/// value at its input; the neuron's lower line is sl z + tl (ReLU: alpha z), its upper line su z +
/// tu.
template <class T>
struct ElementwiseTable {
  T (*dot)(int n, const T* a, const T* b);
  /// sum |a_i| w_i
  T (*abs_dot)(int n, const T* a, const T* w);
  /// sum over i of a_i b_{i mod period}; period divides n
  T (*periodic_dot)(int n, const T* a, int period, const T* b);
  /// sum of min(a_i lo_i, a_i hi_i) for lo <= hi
  T (*concretize)(int n, const T* a, const T* lo, const T* hi);
  /// x_i = lo_i where a_i > 0, hi_i where a_i < 0, the middle where a_i = 0
  void (*minimizer)(int n, const T* a, const T* lo, const T* hi, T* x);
  /// out (+)= a >= 0 ? a alpha : a su; returns the sum of a tu over a < 0
  T (*relu_pull)(int n, const T* a, const T* alpha, const T* su, const T* tu, T* out, bool add);
  /// out (+)= a >= 0 ? a sl : a su; returns the sum of a tl over a >= 0 and a tu over a < 0
  T(*line_pull)
  (int n, const T* a, const T* sl, const T* tl, const T* su, const T* tu, T* out, bool add);
  /// out = a >= 0 ? alpha z : su z + tu (out may be z)
  void (*relu_push)(int n, const T* a, const T* z, const T* alpha, const T* su, const T* tu,
                    T* out);
  /// the same, and one Adam step of alpha in [floor, 1] along a+ z, where free is 1 (0 leaves alpha
  /// as it is)
  void (*relu_push_adam)(int n, const T* a, const T* z, T* alpha, T* m, T* v, const T* su,
                         const T* tu, const T* free, T floor, const AdamStep<T>* step, T* out);
  void (*line_push)(int n, const T* a, const T* z, const T* sl, const T* tl, const T* su,
                    const T* tu, T* out);
  /// index of the largest -min(a, 0) tu free (the intercept that splitting the neuron would
  /// remove), or -1; *best is its value
  int (*split_score)(int n, const T* a, const T* tu, const T* free, T* best);
};

}  // namespace coronet::kernels
