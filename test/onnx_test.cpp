// Reading ONNX models, evaluating them as written, and refusing what is malformed or not imported.
#include "io/onnx.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/error.h"
#include "io/crosscheck.h"
#include "onnx_builder.h"

namespace coronet {
namespace {

using test::OnnxBuilder;

std::vector<double> numbers(const std::string& line) {
  std::istringstream stream(line);
  std::vector<double> values;
  for (double v = 0; stream >> v;) values.push_back(v);
  return values;
}

OnnxBuilder simple() {
  OnnxBuilder b;
  b.input("x", {1, 4}).random("w", {4, 3}).random("b", {3}).output("y");
  b.node("MatMul", {"x", "w"}, {"m"}).node("Add", {"m", "b"}, {"y"});
  return b;
}

TEST(Onnx, AgreesWithOnnxsReferenceEvaluator) {
  const std::string folder = std::string(CORONET_SOURCE_DIR) + "/test/data/onnx/";
  std::ifstream expected(folder + "expected.txt");
  int cases = 0;
  for (std::string name, x, y; std::getline(expected, name); ++cases) {
    SCOPED_TRACE(name);
    ASSERT_TRUE(std::getline(expected, x) && std::getline(expected, y));
    const Model model = Model::read(folder + name + ".onnx");
    const std::vector<double> want = numbers(y);
    const std::vector<double> got = model.evaluate(numbers(x));
    ASSERT_EQ(got.size(), want.size());
    // Both in double, sums of at most some hundred numbers near 1.
    for (std::size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(got[i], want[i], 1e-12) << i;
    EXPECT_NO_THROW(crosscheck(model, model.lower(), 3, 1, nullptr));
  }
  EXPECT_GE(cases, 70);
}

TEST(Onnx, SignatureSetsDynamicDimensionsToOne) {
  OnnxBuilder b;
  b.input("x", {-1, 4}).random("w", {4, 3}).output("y").node("MatMul", {"x", "w"}, {"y"});
  const Model model = Model::parse(b.bytes());
  EXPECT_EQ(model.signature().input_shape, (std::vector<long long>{1, 4}));
  EXPECT_EQ(model.signature().output_shape, (std::vector<long long>{1, 3}));
  EXPECT_EQ(model.signature().element_type, "float32");
  OnnxBuilder d(13, onnx::TensorProto::DOUBLE);
  d.input("x", {2}).output("y").node("Relu", {"x"}, {"y"});
  EXPECT_EQ(Model::parse(d.bytes()).signature().element_type, "float64");
}

TEST(Onnx, WeightsMayBeListedAsInputsAndInputsUnused) {
  OnnxBuilder b = simple();
  b.input("w", {4, 3}).input("b", {3}).input("unused", {7});
  EXPECT_EQ(Model::parse(b.bytes()).evaluate(std::vector<double>(4, 0)).size(), 3U);
}

TEST(Onnx, NodesMayComeInAnyOrder) {
  OnnxBuilder b;
  b.input("x", {1, 4}).random("w", {4, 3}).random("b", {3}).output("y");
  b.node("Add", {"m", "b"}, {"y"}).node("MatMul", {"x", "w"}, {"m"});
  const Model model = Model::parse(b.bytes());
  EXPECT_NO_THROW(crosscheck(model, model.lower(), 2, 1, nullptr));
}

TEST(Onnx, DeadNodesAreNotHeldAgainstTheModel) {
  OnnxBuilder b = simple();
  b.node("Exp", {"m"}, {"nowhere"});
  const Model model = Model::parse(b.bytes());
  EXPECT_NO_THROW(static_cast<void>(model.lower()));
  EXPECT_EQ(model.nodes().back().problem, "");
  EXPECT_EQ(model.nodes().back().rule, "not used");
}

TEST(Onnx, NodesTellTheirRule) {
  const std::vector<Model::NodeInfo> nodes = Model::parse(simple().bytes()).nodes();
  ASSERT_EQ(nodes.size(), 2U);
  EXPECT_EQ(nodes[0].op, "MatMul");
  EXPECT_EQ(nodes[0].shape, (std::vector<long long>{1, 3}));
  EXPECT_NE(nodes[0].rule.find("Dense"), std::string::npos);
  EXPECT_EQ(nodes[0].problem, "");
}

TEST(Onnx, SupportedOperatorsAreSorted) {
  const std::vector<std::string> names = supported_operators();
  EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));
  EXPECT_NE(std::find(names.begin(), names.end(), "Gemm"), names.end());
}

TEST(Onnx, EveryTruncationIsAnErrorOrAModel) {
  const std::string whole = simple().bytes();
  int errors = 0;
  for (std::size_t size = 0; size < whole.size(); ++size) {
    try {
      static_cast<void>(Model::parse(whole.substr(0, size)).lower());
    } catch (const Error& error) {
      EXPECT_NE(error.kind(), ErrorKind::kInternal) << error.what();
      ++errors;
    }
  }
  EXPECT_GT(errors, 0);
  EXPECT_THROW(Model::parse("this is not a model"), Error);
}

TEST(Onnx, EvaluateChecksTheNumberOfInputs) {
  EXPECT_THROW(static_cast<void>(Model::parse(simple().bytes()).evaluate(std::vector<double>(3))),
               Error);
}

// With CORONET_SHARED set, every public benchmark network either lowers to what it computes or is
// refused.
TEST(Onnx, PublicBenchmarks) {
  const char* shared = std::getenv("CORONET_SHARED");
  if (!shared || !std::filesystem::exists(std::filesystem::path(shared) / "vnncomp")) return;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(std::filesystem::path(shared) / "vnncomp")) {
    const std::string path = entry.path().string();
    if (path.find(".onnx") == std::string::npos || !entry.is_regular_file()) continue;
    SCOPED_TRACE(path);
    const Model model = Model::read(path);
    Graph graph;
    try {
      graph = model.lower();
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kUnsupported) << error.what();
      continue;
    }
    EXPECT_NO_THROW(crosscheck(model, graph, 1, 1, nullptr));
  }
}

}  // namespace
}  // namespace coronet
