// ONNX models: the graph as written, its straightforward evaluation, and its lowering into the
// engine's graph.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/interval.h"
#include "graph/graph.h"
#include "io/vnnlib.h"

namespace coronet {

/// An ONNX graph as written: nodes, initializers, shapes. Reading checks the file, not whether
/// Coronet can analyse it.
class Model {
 public:
  /// Reads .onnx or .onnx.gz. Throws Error(kBadInput) for a malformed file.
  static Model read(const std::string& path);
  static Model parse(const std::string& bytes);
  ~Model();
  Model(Model&&) noexcept;
  Model& operator=(Model&&) noexcept;

  /// Shapes with dynamic dimensions set to 1, and the element type of input and output.
  [[nodiscard]] const Signature& signature() const;

  /// One line a node of the graph as written, for `coronet explain`.
  struct NodeInfo {
    std::string name;
    std::string op;
    std::vector<long long> shape;  ///< of its first output; empty where not known
    std::string rule;  ///< what it is lowered into, e.g. "Dense (affine, exact)", "folded"; "" if
                       ///< unsupported
    std::string problem;  ///< why it is not supported; "" if it is
  };
  [[nodiscard]] std::vector<NodeInfo> nodes() const;

  /// Evaluates the graph as written, every operation in double; x in the input tensor's row-major
  /// order.
  [[nodiscard]] std::vector<double> evaluate(std::span<const double> x) const;

  /// Intervals that hold what the graph as written, with its numbers as exact numbers, gives at x
  /// in exact arithmetic. They are points where no operation rounds.
  [[nodiscard]] std::vector<Interval> enclose(std::span<const double> x) const;

  /// Lowers into the engine's graph. Throws Error(kUnsupported) naming EVERY offending node, its
  /// operator, shape and reason. Large weights are read from their file, whose pages need not stay
  /// in memory: the Graph has the only copy. With kInFile it has none of those that folding leaves
  /// as they are: they come from the file whenever they are read.
  enum class Numbers { kHere, kInFile };
  [[nodiscard]] Graph lower(Numbers numbers = Numbers::kHere) const;

 private:
  struct Impl;
  explicit Model(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// Evaluates the lowered graph in double, straightforwardly; x and result in the ONNX tensors'
/// row-major order.
std::vector<double> evaluate(const Graph& graph, std::span<const double> x);

/// Every ONNX operator that can be imported, sorted; from the same table that lowering uses.
std::vector<std::string> supported_operators();

inline constexpr int kMinOpset = 7;
inline constexpr int kMaxOpset = 21;

}  // namespace coronet
