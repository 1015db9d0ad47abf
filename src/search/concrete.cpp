#include "search/concrete.h"

#include <algorithm>
#include <cmath>

#include "bound/lines.h"

namespace coronet::search {

using bound::Extent;
using bound::RowSet;

void Concrete::end() {
  for (int b : z_) {
    if (b >= 0) space_.release(b);
  }
  z_.clear();
}

void Concrete::evaluate(int points, const float* x, float* y, bool keep) {
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
      std::copy(x, x + n, to);
      continue;
    }
    const auto& inputs = net_.inputs(v);
    if (net_.elementwise(v)) {
      const float* from = space_.data(value[inputs[0]]);
      const Operator& op = net_.graph().nodes[v].op;
      if (const Relu* relu = std::get_if<Relu>(&op)) {
        const float slope = static_cast<float>(relu->negative_slope);
        for (std::size_t i = 0; i < n; ++i) to[i] = from[i] > 0 ? from[i] : slope * from[i];
      } else {
        for (std::size_t i = 0; i < n; ++i)
          to[i] = static_cast<float>(bound::value_of(op, from[i]));
      }
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
        std::copy(space_.data(value[u]), space_.data(value[u]) + m, space_.data(z_[u]));
      }
    }
  }
  const float* last = space_.data(value[nodes - 1]);
  std::copy(last, last + static_cast<std::size_t>(points) * net_.size(nodes - 1), y);
  for (int b : value) {
    if (b >= 0) space_.release(b);
  }
}

void Concrete::gradient(const float* dy, float* dx) {
  const int nodes = net_.nodes();
  const RowSet set{points_, nullptr, nullptr};
  std::vector<int> a(nodes, -1);
  const auto room = [&](int v) {
    a[v] = space_.acquire(static_cast<std::size_t>(points_) * net_.size(v));
    return space_.data(a[v]);
  };
  const std::size_t last = static_cast<std::size_t>(points_) * net_.size(nodes - 1);
  std::copy(dy, dy + last, room(nodes - 1));
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
      const float* z = space_.data(z_[u]);
      const std::size_t n = static_cast<std::size_t>(points_) * net_.size(v);
      const Operator& op = net_.graph().nodes[v].op;
      const Relu* relu = std::get_if<Relu>(&op);
      const float slope = relu != nullptr ? static_cast<float>(relu->negative_slope) : 0.0F;
      for (std::size_t i = 0; i < n; ++i) {
        const float d = relu != nullptr ? (z[i] >= 0 ? 1.0F : slope)
                                        : static_cast<float>(bound::derivative_of(op, z[i]));
        to[i] = add ? to[i] + d * from[i] : d * from[i];
      }
    }
    space_.release(a[v]);
    a[v] = -1;
  }
  const std::size_t n = static_cast<std::size_t>(points_) * net_.size(0);
  if (a[0] < 0) {
    std::fill(dx, dx + n, 0.0F);
  } else {
    std::copy(space_.data(a[0]), space_.data(a[0]) + n, dx);
    space_.release(a[0]);
  }
}

}  // namespace coronet::search
