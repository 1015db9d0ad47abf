// Copies on a CUDA device of what the host knows: relaxations, magnitudes, rows.
#pragma once

#include "bound/cuda/cuda.h"
#include "bound/engine.h"

namespace coronet::bound {

template <class T>
Lines<T, Cuda> on_device(const Cuda& to, const Lines<T>& from) {
  Lines<T, Cuda> lines;
  lines.size = from.size;
  lines.relu = from.relu;
  lines.floor = from.floor;
  lines.sl = to.upload(from.sl);
  lines.tl = to.upload(from.tl);
  lines.su = to.upload(from.su);
  lines.tu = to.upload(from.tu);
  lines.free = to.upload(from.free);
  return lines;
}

/// The relaxation of the nodes that rows of the plan pass through.
template <class T>
Relaxation<T, Cuda> on_device(const Cuda& to, const Plan& plan, const Relaxation<T>& from) {
  Relaxation<T, Cuda> relaxation;
  relaxation.lines.resize(from.lines.size());
  for (int v : plan.elementwise) relaxation.lines[v] = on_device(to, from.lines[v]);
  relaxation.lo = to.upload(from.lo);
  relaxation.hi = to.upload(from.hi);
  return relaxation;
}

inline Magnitudes<Cuda> on_device(const Cuda& to, const Plan& plan, const Magnitudes<>& from) {
  Magnitudes<Cuda> magnitude;
  magnitude.value.resize(from.value.size());
  magnitude.affine.resize(from.affine.size());
  for (int v : plan.order) {
    magnitude.value[v] = {to.upload(from.value[v].size), from.value[v].sum};
    magnitude.affine[v] = {to.upload(from.affine[v].size), from.affine[v].sum};
  }
  return magnitude;
}

/// What rows ask for, without their state.
template <class T>
Rows<T, Cuda> on_device(const Cuda& to, const Rows<T>& from) {
  Rows<T, Cuda> rows;
  rows.count = from.count;
  rows.selection = from.selection;
  rows.neuron = to.upload(from.neuron);
  rows.sign = to.upload(from.sign);
  rows.dense = to.upload(from.dense);
  rows.input = to.upload(from.input);
  rows.constant = to.upload(from.constant);
  rows.start_y = to.upload(from.start_y);
  rows.start_x = to.upload(from.start_x);
  return rows;
}

}  // namespace coronet::bound
