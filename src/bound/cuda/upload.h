// Copies on a CUDA device of what the host knows: relaxations, magnitudes, rows.
#pragma once

#include <numeric>

#include "bound/cuda/cuda.h"
#include "bound/engine.h"
#include "bound/reduce.h"

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

/// The relaxation of the nodes that rows of the plan pass through; `reduced`: of what remains of
/// them (null: all).
template <class T>
Relaxation<T, Cuda> on_device(const Cuda& to, const Plan& plan, const Relaxation<T>& from,
                              const Reduced* reduced = nullptr) {
  Relaxation<T, Cuda> relaxation;
  relaxation.lines.resize(from.lines.size());
  for (int v : plan.elementwise) {
    relaxation.lines[v] = on_device(
        to, reduced == nullptr ? from.lines[v] : select_lines(*reduced, v, from.lines[v]));
  }
  relaxation.lo = to.upload(from.lo);
  relaxation.hi = to.upload(from.hi);
  return relaxation;
}

inline Magnitudes<Cuda>::Of on_device(const Cuda& to, const Magnitudes<>::Of& from, int v,
                                      const Reduced* reduced) {
  if (reduced == nullptr || from.size.empty()) return {to.upload(from.size), from.sum};
  const AlignedVector<double> size = reduced->select(v, from.size);
  return {to.upload(size), std::accumulate(size.begin(), size.end(), 0.0)};
}

inline Magnitudes<Cuda> on_device(const Cuda& to, const Plan& plan, const Magnitudes<>& from,
                                  const Reduced* reduced = nullptr) {
  Magnitudes<Cuda> magnitude;
  magnitude.value.resize(from.value.size());
  magnitude.affine.resize(from.affine.size());
  for (int v : plan.order) {
    magnitude.value[v] = on_device(to, from.value[v], v, reduced);
    magnitude.affine[v] = on_device(to, from.affine[v], v, reduced);
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
