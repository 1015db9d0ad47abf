// Lowering: the lowered graph computes what the model as written computes, in the fewest nodes.
#include <gtest/gtest.h>

#include <set>

#include "base/error.h"
#include "graph/evaluate.h"
#include "io/crosscheck.h"
#include "io/onnx.h"
#include "lower_affine_cases.h"
#include "lower_other_cases.h"

namespace coronet {
namespace {

using test::OnnxBuilder;

/// The operators of a graph, by the first letters of their names: "Input Dense Relu".
std::string outline(const Graph& graph) {
  static constexpr const char* kNames[] = {"Input",  "Dense",  "Conv", "Scale",   "Sum",
                                           "Select", "Sparse", "Relu", "Sigmoid", "Tanh"};
  std::string text;
  for (const Node& node : graph.nodes)
    text += (text.empty() ? "" : " ") + std::string(kNames[node.op.index()]);
  return text;
}

TEST(Lower, ComputesWhatTheModelComputes) {
  std::set<std::string> seen;
  std::vector<test::LowerCase> cases = test::lower_affine_cases();
  for (const test::LowerCase& c : test::lower_other_cases()) cases.push_back(c);
  for (const int type : {onnx::TensorProto::FLOAT, onnx::TensorProto::DOUBLE}) {
    for (const test::LowerCase& c : cases) {
      SCOPED_TRACE(c.name);
      OnnxBuilder b(c.opset, type);
      b.input("x", c.input).output("y");
      c.build(b);
      seen.merge(b.operators());
      try {
        const Model model = Model::parse(b.bytes());
        if (type == onnx::TensorProto::DOUBLE && c.name.find("cast") != std::string::npos) continue;
        if (type == onnx::TensorProto::DOUBLE && c.name == "constants of shape") continue;
        const Graph graph = model.lower();
        crosscheck(model, graph, 5, 3, nullptr);
        if (!c.nodes.empty()) {
          EXPECT_EQ(outline(graph), c.nodes);
        }
      } catch (const Error& error) {
        ADD_FAILURE() << error.what();
      }
    }
  }
  for (const std::string& name : supported_operators()) EXPECT_TRUE(seen.contains(name)) << name;
}

Graph lowered(OnnxBuilder& b) { return Model::parse(b.bytes()).lower(); }

TEST(Lower, KeepsFloat32WeightsBitExact) {
  OnnxBuilder b;
  b.input("x", {1, 2})
      .output("y")
      .weight("w", {2, 2}, {0.1, 0.2, 0.3, 0.4})
      .weight("c", {2}, {1, 2});
  b.node("MatMul", {"x", "w"}, {"m"}).node("Add", {"m", "c"}, {"y"});
  const Graph graph = lowered(b);
  const auto& dense = std::get<Dense>(graph.nodes.back().op);
  EXPECT_EQ(dense.weight.f, (std::vector<float>{0.1F, 0.3F, 0.2F, 0.4F}));
  EXPECT_EQ(dense.bias, (std::vector<double>{1, 2}));
}

TEST(Lower, MultipliesWeightsInDouble) {
  OnnxBuilder b;
  b.input("x", {1, 2}).output("y").weight("w", {2, 1}, {0.1, 0.2}).weight("c", {1}, {0.3});
  b.node("MatMul", {"x", "w"}, {"m"}).node("Mul", {"m", "c"}, {"y"});
  const Graph graph = lowered(b);
  const auto& dense = std::get<Dense>(graph.nodes.back().op);
  EXPECT_TRUE(dense.weight.f.empty());
  EXPECT_EQ(dense.weight.d[0], static_cast<double>(0.1F) * static_cast<double>(0.3F));
}

TEST(Lower, MapsOrdersBack) {
  OnnxBuilder b;
  b.input("x", {1, 2, 2, 2}).output("y").random("w", {3, 2, 1, 1}).node("Conv", {"x", "w"}, {"y"});
  const Graph graph = lowered(b);
  EXPECT_EQ(graph.input_order, (std::vector<int>{0, 4, 1, 5, 2, 6, 3, 7}));
  EXPECT_EQ(graph.nodes[0].shape, (Shape{2, 2, 2}));
  EXPECT_EQ(graph.output_order, (std::vector<int>{0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11}));
}

TEST(Lower, CrosscheckSeesAWrongGraph) {
  OnnxBuilder b;
  b.input("x", {1, 3}).output("y").random("w", {3, 3}).node("MatMul", {"x", "w"}, {"y"});
  const Model model = Model::parse(b.bytes());
  Graph graph = model.lower();
  const Box box{{0, 0, 0}, {1, 1, 1}};
  EXPECT_NO_THROW(crosscheck(model, graph, 3, 1, &box));
  std::get<Dense>(graph.nodes.back().op).bias[1] += 1e-6;
  try {
    crosscheck(model, graph, 3, 1, &box);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kInternal);
    EXPECT_NE(std::string(error.what()).find("output 1"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace coronet
