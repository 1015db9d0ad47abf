// The network as written, kept only while that is cheap: the judge of counterexamples.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "io/onnx.h"

namespace coronet::cli {

class WrittenNetwork {
 public:
  explicit WrittenNetwork(std::string path);

  [[nodiscard]] const Model& model() const { return *model_; }
  /// Forgets a large model once it is lowered; it is read again if a counterexample is to be
  /// judged.
  void release_if_large(const Graph& graph);
  // These may be called from several threads at once.
  std::vector<Interval> enclose(const std::vector<double>& x);
  std::vector<double> evaluate(const std::vector<double>& x);

 private:
  std::shared_ptr<const Model> load();

  const std::string path_;
  std::mutex mutex_;
  std::shared_ptr<const Model> model_;
};

/// Compares the graph with the model at a few points, few enough to be cheap for any network.
/// Throws Error(kInternal) where they differ.
void check_import(const Model& model, const Graph& graph, std::uint64_t seed, const Box* box);

}  // namespace coronet::cli
