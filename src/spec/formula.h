// The and/or tree of a query's assertions, in flat arrays: no recursion, whatever the nesting.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "spec/property.h"

namespace coronet {

/// Ordered so that the children of an `and` are best visited in the order of their kinds: what
/// cannot branch first.
enum class NodeKind : std::uint8_t { kFalse, kTrue, kLower, kUpper, kConstraint, kAnd, kOr };

struct Node {
  NodeKind kind = NodeKind::kTrue;
  bool strict = false;  ///< kLower, kUpper: X > bound, X < bound
  std::uint32_t index =
      0;  ///< kLower, kUpper: the input; kConstraint: of `constraints`; kAnd, kOr: of `children`
  std::uint32_t count = 0;  ///< kAnd, kOr: number of children
  double bound = 0;         ///< kLower, kUpper
  std::size_t offset = 0;   ///< kAnd, kOr: where in the text
};

/// A tree whose children have smaller numbers than their parents.
struct Formula {
  std::vector<Node> nodes;
  std::vector<std::uint32_t> children;
  std::vector<Constraint> constraints;
  std::uint32_t root = 0;
};

/// Builds the conjunction of everything added at its outermost level, in one pass over the text.
/// An `and` directly in an `and` (an `or` in an `or`) melts into it; one with a single child
/// becomes the child.
class FormulaBuilder {
 public:
  FormulaBuilder() { frames_.push_back({NodeKind::kAnd, false, 0, 0}); }

  void open(NodeKind kind, std::size_t offset);
  void close();
  void add(const Node& leaf);
  void add(Constraint constraint);

  /// The finished tree; every `open` must have been closed.
  Formula finish();

 private:
  struct Frame {
    NodeKind kind;
    bool melted;  ///< its children belong to the frame below
    std::size_t begin;
    std::size_t offset;
  };

  void order(std::size_t begin);
  std::uint32_t append(const Node& node);

  Formula formula_;
  std::vector<Frame> frames_;
  std::vector<std::uint32_t> open_children_;
  std::vector<std::uint32_t> scratch_;
};

}  // namespace coronet
