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
  const Node& node;
  const std::vector<Shape>& in;
  PackBudget& budget;
  using Made = std::unique_ptr<Affine<T>>;

  Made operator()(const Dense& op) const {
    return std::make_unique<AffineDense<T>>(op, in[0], budget);
  }
  Made operator()(const Conv& op) const { return std::make_unique<AffineConv<T>>(op, budget); }
  Made operator()(const Scale& op) const {
    return std::make_unique<AffineScale<T>>(op, node.shape.size());
  }
  Made operator()(const Sum& op) const {
    return std::make_unique<AffineSum<T>>(op, node.shape.size());
  }
  Made operator()(const Select& op) const { return std::make_unique<AffineSelect<T>>(op, in); }
  Made operator()(const Sparse& op) const {
    return std::make_unique<AffineSparse<T>>(op, in[0], budget);
  }
  Made operator()(const Input&) const { return nullptr; }
  Made operator()(const Relu&) const { return nullptr; }
  Made operator()(const Sigmoid&) const { return nullptr; }
  Made operator()(const Tanh&) const { return nullptr; }
};

}  // namespace

template <class T>
std::unique_ptr<Affine<T>> make_affine(const Node& node, const std::vector<Shape>& in,
                                       PackBudget& budget) {
  return std::visit(Maker<T>{node, in, budget}, node.op);
}

template <class T>
std::unique_ptr<Affine<T>> make_affine(const Graph& graph, int node, PackBudget& budget) {
  std::vector<Shape> in;
  for (int u : graph.nodes[node].inputs) in.push_back(graph.nodes[u].shape);
  return make_affine<T>(graph.nodes[node], in, budget);
}

template std::unique_ptr<Affine<float>> make_affine(const Node&, const std::vector<Shape>&,
                                                    PackBudget&);
template std::unique_ptr<Affine<double>> make_affine(const Node&, const std::vector<Shape>&,
                                                     PackBudget&);
template std::unique_ptr<Affine<float>> make_affine(const Graph&, int, PackBudget&);
template std::unique_ptr<Affine<double>> make_affine(const Graph&, int, PackBudget&);

}  // namespace coronet::bound
