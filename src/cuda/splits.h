// Split neurons of rows: z >= 0 (sign 1) or z <= 0 (sign -1) with a multiplier beta >= 0. Around
// the pull and the push of the node's lines (rows.h), in this order, as in device/cpu.cpp:
//
//   set_aside(a); pull_lines(a, u); pull_splits(a, u)
//   read_splits(z); push_lines(z, to); push_splits(to)
//
// A row splits a neuron at most once. Splits outside a row's window do not concern it, and those of
// row -1 concern none.
#pragma once

#include "cuda/device.h"
#include "cuda/geometry.h"
#include "kernels/elementwise.h"

namespace coronet::cuda {

/// All splits of one node, in device arrays of [count].
template <class T>
struct Splits {
  int count = 0;
  const int* row = nullptr;
  const int* neuron = nullptr;
  const T* sign = nullptr;
  T* beta = nullptr;
  T* m = nullptr;  ///< Adam's moments of beta; null where no step is made
  T* v = nullptr;
  T* aside = nullptr;  ///< what the kernels keep between two of these calls
};

/// row[i] = to[row[i]], -1 staying -1: the splits follow their rows when those are put together
/// anew, and those of a row that leaves keep what they have.
void renumber_rows(Device& device, int count, const int* to, int* row);

/// Takes the split neurons' entries out of `a`, so that they take no line.
template <class T>
void set_aside(Device& device, const Rows& rows, const Geometry& g, T* a, const Splits<T>& splits);

/// Puts them back.
template <class T>
void put_back(Device& device, const Rows& rows, const Geometry& g, T* a, const Splits<T>& splits);

/// Puts them back, and pulls them with slope 1 or `floor` and their beta into u of extent `in`.
template <class T>
void pull_splits(Device& device, const Rows& rows, const Geometry& out, T* a, const Geometry& in,
                 T* u, T floor, const Splits<T>& splits);

/// Reads the split neurons' inputs, before a push in place writes over them.
template <class T>
void read_splits(Device& device, const Rows& rows, const Geometry& in, const T* z,
                 const Splits<T>& splits);

/// Writes their outputs into `to`; with `step`, one projected step of Adam of beta.
template <class T>
void push_splits(Device& device, const Rows& rows, const Geometry& out, T* to, T floor,
                 const kernels::AdamStep<T>* step, const Splits<T>& splits);

}  // namespace coronet::cuda
