// Any bytes are a model or an Error; a model that is imported lowers to a graph that evaluates.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "graph/evaluate.h"
#include "io/onnx.h"

namespace {

/// Models beyond this take seconds to evaluate, and teach nothing more.
constexpr long long kMaxElements = 1 << 14;

long long elements(const std::vector<long long>& shape) {
  long long count = 1;
  for (const long long d : shape) count *= d;
  return count;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const coronet::Model model =
        coronet::Model::parse(std::string(reinterpret_cast<const char*>(data), size));
    long long total = elements(model.signature().input_shape);
    for (const auto& node : model.nodes()) total += elements(node.shape);
    if (total > kMaxElements) return 0;
    const coronet::Graph graph = model.lower();
    const std::vector<double> zero(static_cast<std::size_t>(graph.inputs()), 0);
    const std::vector<double> written = model.evaluate(zero);
    if (written.size() != coronet::evaluate(graph, zero).size()) __builtin_trap();
  } catch (const coronet::Error& error) {
    // An importer that meets a broken invariant is broken, whatever it was given.
    if (error.kind() == coronet::ErrorKind::kInternal) __builtin_trap();
  }
  return 0;
}
