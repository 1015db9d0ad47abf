#include "bound/affine.h"

#include "bound/affine_conv.h"
#include "bound/affine_dense.h"
#include "bound/affine_simple.h"
#include "bound/affine_sparse.h"

namespace coronet::bound {

namespace {

/// One overload an operator of the list: a new affine operator without one does not compile.
template <class T>
struct Maker {
  const Graph& graph;
  const Node& node;
  PackBudget& budget;
  using Made = std::unique_ptr<Affine<T>>;

  [[nodiscard]] const Shape& in(int k) const { return graph.nodes[node.inputs[k]].shape; }

  Made operator()(const Dense& op) const {
    return std::make_unique<AffineDense<T>>(op, in(0), budget);
  }
  Made operator()(const Conv& op) const { return std::make_unique<AffineConv<T>>(op, budget); }
  Made operator()(const Scale& op) const {
    return std::make_unique<AffineScale<T>>(op, node.shape.size());
  }
  Made operator()(const Sum& op) const {
    return std::make_unique<AffineSum<T>>(op, node.shape.size());
  }
  Made operator()(const Select& op) const {
    std::vector<Shape> shapes;
    for (std::size_t k = 0; k < node.inputs.size(); ++k) shapes.push_back(in(static_cast<int>(k)));
    return std::make_unique<AffineSelect<T>>(op, shapes);
  }
  Made operator()(const Sparse& op) const {
    return std::make_unique<AffineSparse<T>>(op, in(0), budget);
  }
  Made operator()(const Input&) const { return nullptr; }
  Made operator()(const Relu&) const { return nullptr; }
  Made operator()(const Sigmoid&) const { return nullptr; }
  Made operator()(const Tanh&) const { return nullptr; }
};

}  // namespace

template <class T>
std::unique_ptr<Affine<T>> make_affine(const Graph& graph, int node, PackBudget& budget) {
  const Node& n = graph.nodes[node];
  return std::visit(Maker<T>{graph, n, budget}, n.op);
}

template std::unique_ptr<Affine<float>> make_affine(const Graph&, int, PackBudget&);
template std::unique_ptr<Affine<double>> make_affine(const Graph&, int, PackBudget&);

}  // namespace coronet::bound
