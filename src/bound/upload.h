// Copies on a device of what the host knows: relaxations, magnitudes, rows. D: a device of the row
// engine with upload(vector).
#pragma once

#include <numeric>

#include "bound/engine.h"
#include "bound/optimise.h"
#include "bound/reduce.h"

namespace coronet::bound {

template <class D, class T>
Lines<T, D> on_device(const D& to, const Lines<T>& from) {
  Lines<T, D> lines;
  lines.size = from.size;
  lines.sloped = from.sloped;
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
template <class D, class T>
Relaxation<T, D> on_device(const D& to, const Plan& plan, const Relaxation<T>& from,
                           const Reduced* reduced = nullptr) {
  Relaxation<T, D> relaxation;
  relaxation.lines.resize(from.lines.size());
  for (int v : plan.elementwise) {
    relaxation.lines[v] = on_device(
        to, reduced == nullptr ? from.lines[v] : select_lines(*reduced, v, from.lines[v]));
  }
  relaxation.lo = to.upload(from.lo);
  relaxation.hi = to.upload(from.hi);
  return relaxation;
}

template <class D>
typename Magnitudes<D>::Of on_device(const D& to, const Magnitudes<>::Of& from, int v,
                                     const Reduced* reduced) {
  if (reduced == nullptr || from.size.empty()) return {to.upload(from.size), from.sum};
  const AlignedVector<double> size = reduced->select(v, from.size);
  return {to.upload(size), std::accumulate(size.begin(), size.end(), 0.0)};
}

template <class D>
Magnitudes<D> on_device(const D& to, const Plan& plan, const Magnitudes<>& from,
                        const Reduced* reduced = nullptr) {
  Magnitudes<D> magnitude;
  magnitude.value.resize(from.value.size());
  magnitude.affine.resize(from.affine.size());
  for (int v : plan.order) {
    magnitude.value[v] = on_device(to, from.value[v], v, reduced);
    magnitude.affine[v] = on_device(to, from.affine[v], v, reduced);
  }
  return magnitude;
}

/// What rows ask for, without their state.
template <class D, class T>
Rows<T, D> on_device(const D& to, const Rows<T>& from) {
  Rows<T, D> rows;
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

/// What the rows of a plan are bounded over, on a device; `reduced`: where the plan is of a graph
/// with fewer neurons than the root's, else null.
template <class D>
struct Scene {
  Relaxation<float, D> relax32;
  Relaxation<double, D> relax64;
  Magnitudes<D> magnitude;

  Scene(const D& to, const Plan& plan, const Root& root, const Reduced* reduced)
      : relax32(on_device(to, plan, root.relax32, reduced)),
        relax64(on_device(to, plan, root.relax64, reduced)),
        magnitude(on_device(to, plan, root.magnitude, reduced)) {}
};

}  // namespace coronet::bound
