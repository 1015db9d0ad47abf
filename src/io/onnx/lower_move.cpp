// Lowering of operators that only move elements: they are evaluated on element numbers, and only
// views change.
#include <numeric>

#include "base/error.h"
#include "io/onnx/lower_ops.h"
#include "io/onnx/ops.h"

namespace coronet::importer {
namespace {

Tensor numbers(const Dims& dims, std::int64_t first) {
  std::vector<std::int64_t> ids(static_cast<std::size_t>(element_count(dims)));
  std::iota(ids.begin(), ids.end(), first);
  return Tensor(dims, std::move(ids));
}

std::vector<View> move_first(Lowering& lowering, const LowerNode& node, Evaluate* evaluate) {
  const Tensor ids = numbers(node.in[0]->dims(), 0);
  Args in = node.in;
  in[0] = &ids;
  const Lowering::Part part{node.views[0], nullptr};
  std::vector<View> result;
  for (const Tensor& moved : evaluate(*node.op, in)) {
    result.push_back(lowering.gather(std::span(&part, 1), moved, 0));
  }
  return result;
}

}  // namespace

std::vector<View> lower_reshape(Lowering&, const LowerNode& node) {
  View view = *node.views[0];
  view.dims = node.out[0];
  return {view};
}

std::vector<View> lower_transpose(Lowering& lowering, const LowerNode& node) {
  return move_first(lowering, node, evaluate_transpose);
}

std::vector<View> lower_slice(Lowering& lowering, const LowerNode& node) {
  return move_first(lowering, node, evaluate_slice);
}

std::vector<View> lower_gather(Lowering& lowering, const LowerNode& node) {
  return move_first(lowering, node, evaluate_gather);
}

std::vector<View> lower_split(Lowering& lowering, const LowerNode& node) {
  return move_first(lowering, node, evaluate_split);
}

std::vector<View> lower_expand(Lowering& lowering, const LowerNode& node) {
  return move_first(lowering, node, evaluate_expand);
}

std::vector<View> lower_concat(Lowering& lowering, const LowerNode& node) {
  std::vector<Tensor> ids;
  std::vector<Lowering::Part> parts;
  std::int64_t first = 0;
  for (std::size_t k = 0; k < node.in.size(); ++k) {
    ids.push_back(numbers(node.in[k]->dims(), first));
    first += ids.back().size();
    parts.push_back({node.views[k], node.views[k] ? nullptr : node.in[k]});
  }
  Args in;
  for (const Tensor& t : ids) in.push_back(&t);
  return {lowering.gather(parts, evaluate_concat(*node.op, in)[0], 0)};
}

std::vector<View> lower_pad(Lowering& lowering, const LowerNode& node) {
  const Tensor ids = numbers(node.in[0]->dims(), 0);
  const Lowering::Part part{node.views[0], nullptr};
  return {lowering.gather(std::span(&part, 1), pad(*node.op, node.in, ids, -1),
                          pad_fill(*node.op, node.in))};
}

std::vector<View> lower_constant(Lowering&, const LowerNode&) {
  throw Error(ErrorKind::kInternal, "a constant is lowered");
}

}  // namespace coronet::importer
