// What the engine does with rows at elementwise nodes and at the input box, as in device/cpu.cpp:
// batched, on one stream. All pointers are to device memory; T is float or double.
//
// Sums of a row are formed in one fixed order that depends on the row's size only: two runs give
// the same bits, and a row gives the same bits in any batch. They end in double.
#pragma once

#include "cuda/device.h"
#include "cuda/geometry.h"
#include "kernels/elementwise.h"
#include "kernels/moment.h"
#include "kernels/noting.h"

namespace coronet::cuda {

/// The lines of an elementwise node: arrays of [domains][size] (bound/lines.h).
template <class T>
struct Lines {
  bool relu = false;  ///< tl = 0, and the lower slope may be chosen where free is 1
  T floor = 0;
  const T* sl = nullptr;
  const T* tl = nullptr;  ///< not read for relu
  const T* su = nullptr;
  const T* tu = nullptr;
  const T* free = nullptr;  ///< read by steps and scores only
  /// Own slopes of a whole row are of the first so many neurons, and all others have the lines of
  /// a stable one; 0: of all neurons.
  int sloped = 0;
};

/// Lower slopes of each row and their moments: [count][extent], or [count][sloped] of the lines.
template <class T>
struct Slopes {
  T* value = nullptr;  ///< null: the lines' own
  kernels::Moment* m = nullptr;
  kernels::Moment* v = nullptr;
  const T* rate = nullptr;  ///< [count] factor of each row's learning rate; null: 1
};

/// A pulled through the node's lines: u (of extent `in`) = or += , and bias[r] += what the
/// intercepts give. Everything of u that `out` does not cover becomes zero where `add` is false.
template <class T>
void pull_lines(Device& device, const Rows& rows, const Lines<T>& lines, const T* alpha, const T* a,
                const Geometry& out, T* u, const Geometry& in, bool add, double* bias);

/// z (of extent `in`) pushed through the lines that the signs of `a` chose; `to` may be z where the
/// extents are the same. With `step`, one step of Adam of the slopes of relu lines.
template <class T>
void push_lines(Device& device, const Rows& rows, const Lines<T>& lines, const Slopes<T>& alpha,
                const kernels::AdamStep<T>* step, const T* a, const Geometry& out, const T* z,
                const Geometry& in, T* to);

/// bound[r] = bias[r] + min over the box of A_r x, with lo and hi of [domains][inputs]. With
/// `error`, error[r] += factor |bias[r]|.
template <class T>
void concretize(Device& device, const Rows& rows, const Geometry& g, const T* a, const T* lo,
                const T* hi, const double* bias, T* bound, double* error, double factor);

/// The point of the box where that minimum is: x of [count][extent], zero in gaps.
template <class T>
void minimizer(Device& device, const Rows& rows, const Geometry& g, const T* a, const T* lo,
               const T* hi, T* x);

/// error[r] += factor * sum |a_i| w_i, w of [size].
void charge(Device& device, const Rows& rows, const Geometry& g, const double* a, const double* w,
            double factor, double* error);

/// error[r] = factor |bias[r]|, or += .
void charge_bias(Device& device, int count, const double* bias, double factor, double* error,
                 bool add);

/// What a descent notes of each row after an iteration (kernels/noting.h).
void note(Device& device, int count, const kernels::Noting<float>& how,
          const kernels::Standing<float>& rows, const float* bound);

/// The unsplit neuron of each row whose upper line's intercept costs most: where the largest
/// -min(a, 0) tu free of this node is above best[r], writes it, `node` and the neuron (the least of
/// equals). best starts at 0 and node at -1. What is set aside of `a` (splits.h) has no score.
template <class T>
void split_score(Device& device, const Rows& rows, const Geometry& g, const T* a,
                 const Lines<T>& lines, int node, T* best, int* best_node, int* best_neuron);

}  // namespace coronet::cuda
