// The graph as written: values with shapes and folded constants, nodes in topological order.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "io/onnx/op.h"
#include "io/onnx/placed.h"
#include "io/onnx/proto.h"

namespace coronet::importer {

/// A tensor by name.
struct Value {
  std::string name;
  Tensor tensor;         ///< known() if constant; otherwise only type and shape
  bool shaped = false;   ///< the shape is known
  bool assumed = false;  ///< the shape is only as declared: it hangs on a node that is not imported
  std::string problem;   ///< why a constant cannot be used; "" if it can
};

/// A node that has what it needs to be checked, evaluated and lowered.
struct WrittenNode {
  OpNode op;
  const Rule* rule = nullptr;  ///< null if the operator is not imported
  std::string name;            ///< its own, or its first output's
  std::string type;            ///< its operator, with its domain if that is not ONNX's own
  std::vector<int> in;         ///< values; -1 where omitted
  std::vector<int> out;        ///< values; -1 where unused
  bool live = false;           ///< the output depends on it
  bool folded = false;         ///< every output is a constant
  std::string problem;         ///< why it cannot be lowered; "" if it can
};

/// Reads, sorts, infers shapes and folds constants. Throws Error(kBadInput) for a malformed model;
/// what is merely not imported is noted in `problem` and `problems`.
class Written {
 public:
  /// `folder`: where external data lies; null: nowhere, then it is not imported. `placed`: the
  /// numbers that `bytes` lacks.
  explicit Written(const std::string& bytes, const std::string* folder = nullptr,
                   Placed placed = {});
  Written(const Written&) = delete;
  Written& operator=(const Written&) = delete;

  [[nodiscard]] const std::vector<Value>& values() const { return values_; }
  [[nodiscard]] const std::vector<WrittenNode>& nodes() const { return nodes_; }
  [[nodiscard]] int input() const { return input_; }
  [[nodiscard]] int output() const { return output_; }

  /// What stands against the model as a whole: opset, inputs, outputs.
  [[nodiscard]] const std::vector<std::string>& problems() const { return problems_; }

  /// Throws one Error(kUnsupported) naming everything that is not imported, if there is anything.
  void require_supported() const;

  /// The inputs of a node, in the form its rule takes them.
  [[nodiscard]] Args args(const WrittenNode& node) const;

  /// The output at x, by evaluating every node in double. The graph must be supported.
  [[nodiscard]] std::vector<double> evaluate(std::span<const double> x) const;

  /// Every number of every folded constant is within (1 + 2^-53)^n of what exact arithmetic gives:
  /// the least such n. Throws Error(kUnsupported) where rounding left too little of one.
  [[nodiscard]] int fold_roundings() const;

  /// Intervals that hold the output at x in exact arithmetic: the same evaluation in intervals,
  /// constants folded anew in intervals too. All numbers are intervals without end where an
  /// evaluation in intervals is not possible.
  [[nodiscard]] std::vector<Interval> enclose(std::span<const double> x) const;

 private:
  int value_of(const std::string& name);
  void read_opset();
  void read_inputs(const Placed& placed);
  void read_nodes();
  void read_outputs();
  void sort_nodes();
  void mark_live();
  void infer_all();
  void infer_node(WrittenNode& node);
  void fold_node(WrittenNode& node);
  void assume_shapes(const WrittenNode& node);
  bool evaluate_node(const WrittenNode& node, bool enclose, std::vector<Tensor>& now) const;
  [[nodiscard]] Tensor run(const Tensor& x, bool enclose) const;

  onnx::ModelProto proto_;
  int opset_ = 0;
  std::map<std::string, int> by_name_;
  std::map<std::string, const onnx::ValueInfoProto*> declared_;
  std::vector<Value> values_;
  std::vector<WrittenNode> nodes_;
  int input_ = -1;
  int output_ = -1;
  std::int64_t fold_budget_ = 0;
  std::int64_t variable_budget_ = 0;
  std::vector<std::string> problems_;
};

}  // namespace coronet::importer
