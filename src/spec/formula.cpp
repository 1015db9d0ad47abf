#include "spec/formula.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/error.h"
#include "spec/located_error.h"

namespace coronet {

std::uint32_t FormulaBuilder::append(const Node& node) {
  if (formula_.nodes.size() >= std::numeric_limits<std::uint32_t>::max()) {
    throw LocatedError(ErrorKind::kUnsupported, frames_.back().offset,
                       "more than 4,294,967,295 comparisons");
  }
  formula_.nodes.push_back(node);
  return static_cast<std::uint32_t>(formula_.nodes.size() - 1);
}

void FormulaBuilder::open(NodeKind kind, std::size_t offset) {
  frames_.push_back({kind, frames_.back().kind == kind, open_children_.size(), offset});
}

void FormulaBuilder::order(std::size_t begin) {
  scratch_.clear();
  const auto first = open_children_.begin() + static_cast<std::ptrdiff_t>(begin);
  for (const NodeKind last : {NodeKind::kConstraint, NodeKind::kAnd, NodeKind::kOr}) {
    for (auto child = first; child != open_children_.end(); ++child) {
      const NodeKind kind = formula_.nodes[*child].kind;
      const bool leaf = kind <= NodeKind::kConstraint;
      if (leaf ? last == NodeKind::kConstraint : kind == last) scratch_.push_back(*child);
    }
  }
  std::copy(scratch_.begin(), scratch_.end(), first);
}

void FormulaBuilder::close() {
  const Frame frame = frames_.back();
  frames_.pop_back();
  const std::size_t count = open_children_.size() - frame.begin;
  if (frame.melted || count == 1) return;
  if (frame.kind == NodeKind::kAnd) order(frame.begin);
  Node node;
  node.kind = frame.kind;
  node.index = static_cast<std::uint32_t>(formula_.children.size());
  node.count = static_cast<std::uint32_t>(count);
  node.offset = frame.offset;
  formula_.children.insert(formula_.children.end(),
                           open_children_.begin() + static_cast<std::ptrdiff_t>(frame.begin),
                           open_children_.end());
  open_children_.resize(frame.begin);
  open_children_.push_back(append(node));
}

void FormulaBuilder::add(const Node& leaf) { open_children_.push_back(append(leaf)); }

void FormulaBuilder::add(Constraint constraint) {
  Node node;
  node.kind = NodeKind::kConstraint;
  node.index = static_cast<std::uint32_t>(formula_.constraints.size());
  formula_.constraints.push_back(std::move(constraint));
  add(node);
}

Formula FormulaBuilder::finish() {
  order(0);
  Node root;
  root.kind = NodeKind::kAnd;
  root.index = static_cast<std::uint32_t>(formula_.children.size());
  root.count = static_cast<std::uint32_t>(open_children_.size());
  formula_.children.insert(formula_.children.end(), open_children_.begin(), open_children_.end());
  open_children_.clear();
  formula_.root = append(root);
  return std::move(formula_);
}

}  // namespace coronet
