// The members of Concrete, for the files that instantiate them for a device.
#pragma once

#include <vector>

#include "bound/concrete.h"

namespace coronet::bound {

template <class D>
void Concrete<D>::end() {
  for (int b : z_) {
    if (b >= 0) space_.release(b);
  }
  z_.clear();
}

template <class D>
void Concrete<D>::evaluate(int points, const float* x, float* y, bool keep) {
  end();
  points_ = points;
  const int nodes = net_.nodes();
  z_.assign(nodes, -1);
  std::vector<int> value(nodes, -1);
  std::vector<int> readers(nodes, 0);
  for (int v = 1; v < nodes; ++v) {
    for (int u : net_.inputs(v)) ++readers[u];
  }
  const RowSet set{points, nullptr, nullptr};
  for (int v = 0; v < nodes; ++v) {
    const std::size_t n = static_cast<std::size_t>(points) * net_.size(v);
    value[v] = space_.acquire(n);
    float* to = space_.data(value[v]);
    if (v == 0) {
      device_.copy(x, n, to);
      continue;
    }
    const auto& inputs = net_.inputs(v);
    if (net_.elementwise(v)) {
      const float* from = space_.data(value[inputs[0]]);
      activate(device_, net_.graph().nodes[v].op, n, from, to);
    } else {
      std::vector<const float*> in;
      std::vector<Extent> extents;
      std::vector<const Extent*> pointers;
      for (int u : inputs) {
        in.push_back(space_.data(value[u]));
        extents.push_back(Extent::all(net_.shape(u)));
      }
      for (const Extent& e : extents) pointers.push_back(&e);
      net_.affine(v)->push(set, in.data(), pointers.data(), to, Extent::all(net_.shape(v)));
    }
    for (int u : inputs) {
      if (--readers[u] > 0) continue;
      if (keep && z_[u] < 0 && net_.elementwise(v)) {
        z_[u] = value[u];  // kept under the node whose value it is
      } else {
        space_.release(value[u]);
      }
      value[u] = -1;
    }
    // An elementwise node's input that others read later is kept when its last reader has passed.
    if (keep && net_.elementwise(v) && value[inputs[0]] >= 0) {
      const int u = inputs[0];
      const std::size_t m = static_cast<std::size_t>(points) * net_.size(u);
      if (z_[u] < 0) {
        z_[u] = space_.acquire(m);
        device_.copy(space_.data(value[u]), m, space_.data(z_[u]));
      }
    }
  }
  device_.copy(space_.data(value[nodes - 1]),
               static_cast<std::size_t>(points) * net_.size(nodes - 1), y);
  for (int b : value) {
    if (b >= 0) space_.release(b);
  }
}

template <class D>
void Concrete<D>::gradient(const float* dy, float* dx) {
  const int nodes = net_.nodes();
  const RowSet set{points_, nullptr, nullptr};
  std::vector<int> a(nodes, -1);
  const auto room = [&](int v) {
    a[v] = space_.acquire(static_cast<std::size_t>(points_) * net_.size(v));
    return space_.data(a[v]);
  };
  const std::size_t last = static_cast<std::size_t>(points_) * net_.size(nodes - 1);
  device_.copy(dy, last, room(nodes - 1));
  for (int v = nodes - 1; v > 0; --v) {
    if (a[v] < 0) continue;
    const auto& inputs = net_.inputs(v);
    for (int k = 0; k < static_cast<int>(inputs.size()); ++k) {
      const int u = inputs[k];
      const bool add = a[u] >= 0;
      if (!add) room(u);
      const float* from = space_.data(a[v]);
      float* to = space_.data(a[u]);
      if (!net_.elementwise(v)) {
        net_.affine(v)->pull(set, from, Extent::all(net_.shape(v)), k, to,
                             Extent::all(net_.shape(u)), add);
        continue;
      }
      activate_gradient(device_, net_.graph().nodes[v].op,
                        static_cast<std::size_t>(points_) * net_.size(v), space_.data(z_[u]), from,
                        add, to);
    }
    space_.release(a[v]);
    a[v] = -1;
  }
  const std::size_t n = static_cast<std::size_t>(points_) * net_.size(0);
  if (a[0] < 0) {
    device_.zero(dx, n);
  } else {
    device_.copy(space_.data(a[0]), n, dx);
    space_.release(a[0]);
  }
}

}  // namespace coronet::bound
