// Building the engine's graph. What only moves elements adds no node: a View remembers where each
// element is, and a Select is added only where an operator needs another order.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "io/onnx/op.h"

namespace coronet::importer {

/// An ONNX variable in the lowered graph: element i (row-major) is number index[i] of the
/// concatenated `nodes`, or the constant constant[i] where index[i] < 0.
struct View {
  Dims dims;
  std::vector<int> nodes;
  std::shared_ptr<const std::vector<std::int32_t>> index;
  std::shared_ptr<const std::vector<double>> constant;  ///< null if there are none
  bool whole = false;  ///< a permutation of all elements of one node

  [[nodiscard]] std::int64_t size() const { return static_cast<std::int64_t>(index->size()); }
};

/// A node for its Lower function.
struct LowerNode {
  const OpNode* op;
  Args in;                         ///< constants are known(), variables have shapes only
  std::vector<const View*> views;  ///< the variables; null for constants
  std::vector<Dims> out;           ///< shapes of the outputs
  const std::string* name;
};

/// An image tensor [1, C, H, W] or [1, C, L], stored channels-last.
Shape image_shape(const Dims& dims);
/// Row-major element at each place of the channels-last order.
std::vector<std::int32_t> image_order(const Dims& dims);
/// 0, 1, 2, ...
std::vector<std::int32_t> plain_order(std::int64_t size);

class Lowering {
 public:
  /// `roundings`: how far every constant of the model may be off (Precision).
  explicit Lowering(int roundings) : roundings_(roundings) {}

  /// Adds the Input, stored in row-major order (a later pass may reorder it).
  View input(const Dims& dims, const std::string& name);

  int add(Operator op, std::vector<int> inputs, Shape shape, const std::string& name);

  /// A node whose elements stand in row-major order; in channels-last order.
  [[nodiscard]] View plain(int node, Dims dims) const;
  [[nodiscard]] View image(int node, Dims dims) const;

  /// A node whose place p holds element order[p] of `view` (zero where order[p] < 0): an existing
  /// one if there is one.
  int in_order(const View& view, std::span<const std::int32_t> order, Shape shape,
               const std::string& name);

  /// The same tensor as a permutation of one node, for elementwise operators.
  View whole(const View& view, const std::string& name);

  /// An elementwise operator.
  View apply(Operator op, const View& view, const std::string& name);

  /// scale[i] * x_i + shift[i]; each of 1 or size() numbers, in row-major order. What the precision
  /// hides is of as many numbers as `shift`, or none.
  View affine(const View& view, std::vector<double> scale, std::vector<double> shift,
              const std::string& name, Precision precision = {});

  /// ca * a + cb * b, of one shape.
  View sum(const View& a, double ca, const View& b, double cb, const std::string& name);

  /// out[i] = view[sum of i_k * strides_k].
  [[nodiscard]] View strided(const View& view, const Dims& out, const Dims& strides) const;

  /// Views of one shape of `ids`, numbers into the concatenation of `parts` (a view or a constant
  /// each); -1 is `fill`.
  struct Part {
    const View* view;
    const Tensor* constant;
  };
  [[nodiscard]] View gather(std::span<const Part> parts, const Tensor& ids, double fill) const;

  /// y[row] = sum of entries, each number within `roundings`; columns are elements of `view`.
  struct Entry {
    std::int64_t element;
    double value;
  };
  int sparse(const View& view, std::int64_t rows, Shape shape,
             const std::function<void(std::int64_t, std::vector<Entry>&)>& entries, int roundings,
             const std::string& name);

  /// Finishes the graph with `output` as its result.
  Graph take(const View& output, const std::string& name);

 private:
  [[nodiscard]] int size_of(int node) const {
    return graph_.nodes[static_cast<std::size_t>(node)].shape.size();
  }
  [[nodiscard]] View normal(View view, std::vector<std::int32_t> index,
                            std::vector<double> constant) const;
  void relabel(int node, Shape shape);

  Graph graph_;
  int roundings_;
};

}  // namespace coronet::importer
