// Any bytes into the reader of checkpoints, once as they are and once with the checksum that they
// should have: a checkpoint that fits a small query, or an Error, never anything else.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/error.h"
#include "search/checkpoint.h"
#include "search/resume.h"

namespace {

using namespace coronet;

void require(bool condition) {
  if (!condition) std::abort();
}

/// Two inputs, three ReLUs, one output.
Graph network() {
  const auto dense = [](int in, int out) {
    Dense op;
    op.in = in;
    op.out = out;
    op.weight.f.assign(static_cast<std::size_t>(in) * out, 0.5F);
    op.bias.assign(out, 0.0);
    return op;
  };
  Graph graph;
  graph.nodes.push_back({Input{}, {}, {1, 1, 2}, "x"});
  graph.nodes.push_back({dense(2, 3), {0}, {1, 1, 3}, "u"});
  graph.nodes.push_back({Relu{}, {1}, {1, 1, 3}, "z"});
  graph.nodes.push_back({dense(3, 1), {2}, {1, 1, 1}, "y"});
  graph.input_order = {0, 1};
  graph.output_order = {0};
  return graph;
}

Property query() {
  Property property;
  property.inputs = 2;
  property.outputs = 1;
  property.boxes = {{{-1, -1}, {1, 1}}, {{0, 0}, {2, 2}}};
  const Constraint low{{}, {{0, 1.0}}, -0.5, false};
  const Constraint input{{{1, -1.0}}, {{0, 1.0}}, 0.25, true};
  property.clauses = {{0, {low}}, {0, {low, input}}, {1, {low}}};
  return property;
}

void read(std::string_view bytes) {
  static const Graph graph = network();
  static const Property property = query();
  try {
    ByteReader in("fuzz", bytes);
    search::Checkpoint checkpoint = search::decode(in);
    require(checkpoint.inputs != nullptr);
    checkpoint.identity = search::identity_of(graph, property, {});
    search::check_fits(checkpoint, graph, property, {});
  } catch (const Error& error) {
    require(error.kind() == ErrorKind::kBadInput);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  read(bytes);
  std::string checked;
  ByteWriter out([&](std::string_view piece) { checked += piece; });
  out.append(bytes.data(), bytes.size());
  out.finish();
  read(checked);
  return 0;
}
