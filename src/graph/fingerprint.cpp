#include "graph/fingerprint.h"

#include <variant>

#include "base/hash.h"
#include "ops/tiles.h"

namespace coronet {

namespace {

void add(Hash& hash, const Shape& shape) {
  for (const int n : {shape.height, shape.width, shape.channels}) hash.add(n);
}

void add(Hash& hash, const Weight& weight) {
  const std::uint64_t size = weight.size();
  const std::uint64_t none = 0;
  // Of the two lists, float32 and float64, one is empty.
  if (!weight.single()) hash.add(none);
  hash.add(size);
  for_each_piece(weight, [&](const auto* numbers, std::size_t count) {
    hash.add(numbers, count * sizeof(*numbers));
  });
  if (weight.single()) hash.add(none);
}

void add(Hash& hash, const Precision& precision) {
  hash.add(precision.roundings);
  hash.add(precision.hidden);
}

/// What an operator is made of. An operator that the list gains does not compile here.
struct Parts {
  Hash& hash;

  void operator()(const Input&) const {}
  void operator()(const Dense& op) const {
    hash.add(op.in);
    hash.add(op.out);
    add(hash, op.weight);
    hash.add(op.bias);
    add(hash, op.precision);
  }
  void operator()(const Conv& op) const {
    add(hash, op.in);
    add(hash, op.out);
    for (const int n : {op.kernel_h, op.kernel_w, op.stride_h, op.stride_w, op.dilation_h,
                        op.dilation_w, op.pad_top, op.pad_left, op.groups}) {
      hash.add(n);
    }
    add(hash, op.weight);
    hash.add(op.bias);
    add(hash, op.precision);
  }
  void operator()(const Scale& op) const {
    hash.add(op.scale);
    hash.add(op.shift);
    add(hash, op.precision);
  }
  void operator()(const Sum& op) const { hash.add(op.coefficient); }
  void operator()(const Select& op) const {
    hash.add(op.index);
    hash.add(op.constant);
    add(hash, op.precision);
  }
  void operator()(const Sparse& op) const {
    hash.add(op.row);
    hash.add(op.column);
    hash.add(op.value);
    hash.add(op.bias);
    add(hash, op.precision);
  }
  void operator()(const Relu& op) const { hash.add(op.negative_slope); }
  void operator()(const Sigmoid&) const {}
  void operator()(const Tanh&) const {}
};

}  // namespace

std::uint64_t fingerprint(const Graph& graph) {
  if (graph.fingerprint != 0) return graph.fingerprint;
  Hash hash;
  for (const Node& node : graph.nodes) {
    hash.add(std::uint64_t{node.op.index()});
    std::visit(Parts{hash}, node.op);
    hash.add(node.inputs);
    add(hash, node.shape);
  }
  hash.add(graph.input_order);
  hash.add(graph.output_order);
  return hash.value();
}

}  // namespace coronet
