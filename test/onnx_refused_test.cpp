// Models that are malformed or not imported: the error's kind, and what its message must name.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "base/error.h"
#include "io/onnx.h"
#include "onnx_builder.h"

namespace coronet {
namespace {

using test::OnnxBuilder;
using test::Shape64;

/// The error of reading, or of lowering, a model; the kind must be `kind`.
std::string error_of(const std::string& bytes, ErrorKind kind) {
  try {
    static_cast<void>(Model::parse(bytes).lower());
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "no error";
  return "";
}

struct Refused {
  std::string name;
  std::function<void(OnnxBuilder&)> build;  // gets an input x of shape 1x4 and must make y
  std::vector<std::string> words;           // all of them stand in the message
  int opset = 13;
};

TEST(Onnx, RefusesWhatIsNotImported) {
  const std::vector<Refused> cases = {
      {"two at once",
       [](OnnxBuilder& b) {
         b.node("Exp", {"x"}, {"e"}).node("Mul", {"e", "x"}, {"y"});
       },
       {"node_1", "Exp(1x4)", "not imported", "node_2", "Mul(1x4, 1x4)",
        "product of two variables"}},
      {"matmul of variables",
       [](OnnxBuilder& b) {
         b.node("Transpose", {"x"}, {"t"}).node("MatMul", {"x", "t"}, {"y"});
       },
       {"MatMul(1x4, 4x1)", "product of two variables"}},
      {"argmax",
       [](OnnxBuilder& b) {
         b.node("ArgMax", {"x"}, {"y"}, {{"axis", 1}});
       },
       {"ArgMax"}},
      {"division by a variable",
       [](OnnxBuilder& b) {
         b.random("c", {4}).node("Div", {"c", "x"}, {"y"});
       },
       {"division by a variable"}},
      {"division by zero",
       [](OnnxBuilder& b) {
         b.weight("c", {1}, {0}).node("Div", {"x", "c"}, {"y"});
       },
       {"division by zero"}},
      {"cast",
       [](OnnxBuilder& b) {
         b.node("Cast", {"x"}, {"y"}, {{"to", 11}});
       },
       {"cast", "float64"}},
      {"cast to float16",
       [](OnnxBuilder& b) {
         b.node("Cast", {"x"}, {"y"}, {{"to", 10}});
       },
       {"float16"}},
      {"variable index",
       [](OnnxBuilder& b) {
         b.random("c", {4}).node("Gather", {"c", "x"}, {"y"});
       },
       {"index"}},
      {"variable shape",
       [](OnnxBuilder& b) {
         b.node("Reshape", {"x", "x"}, {"y"});
       },
       {"shape must be a constant"}},
      {"variable kernel",
       [](OnnxBuilder& b) {
         b.random("c", {1, 1, 4, 4})
             .ints("s", {1, 1, 2, 2})
             .node("Reshape", {"x", "s"}, {"k"})
             .node("Conv", {"c", "k"}, {"y"});
       },
       {"kernel"}},
      {"batch",
       [](OnnxBuilder& b) {
         b.random("k", {1, 1, 1})
             .ints("s", {2, 1, 2})
             .node("Reshape", {"x", "s"}, {"r"})
             .node("Conv", {"r", "k"}, {"y"});
       },
       {"batch of 2"}},
      {"3-D",
       [](OnnxBuilder& b) {
         b.random("k", {1, 1, 1, 1, 1})
             .ints("s", {1, 1, 1, 2, 2})
             .node("Reshape", {"x", "s"}, {"r"})
             .node("Conv", {"r", "k"}, {"y"});
       },
       {"3 spatial"}},
      {"training",
       [](OnnxBuilder& b) {
         b.ints("t", {1}).node("Dropout", {"x", "", "t"}, {"y"});
       },
       {"training"}},
      {"pad mode",
       [](OnnxBuilder& b) {
         b.ints("p", {0, 1, 0, 1}).node("Pad", {"x", "p"}, {"y"}, {{"mode", "reflect"}});
       },
       {"reflect"}},
      {"slice from before the beginning",
       [](OnnxBuilder& b) {
         b.ints("from", {-9}).ints("to", {-10}).ints("axis", {1}).ints("step", {-1});
         b.node("Slice", {"x", "from", "to", "axis", "step"}, {"y"});
       },
       {"backwards from -9", "4 elements"}},
      {"ceil_mode without padding",
       [](OnnxBuilder& b) {
         b.ints("s", {1, 1, 4}).node("Reshape", {"x", "s"}, {"r"});
         b.node("MaxPool", {"r"}, {"y"},
                {{"kernel_shape", Shape64{2}}, {"auto_pad", "VALID"}, {"ceil_mode", 1}});
       },
       {"VALID"}},
      {"indices",
       [](OnnxBuilder& b) {
         b.ints("s", {1, 1, 4})
             .node("Reshape", {"x", "s"}, {"r"})
             .node("MaxPool", {"r"}, {"y", "i"}, {{"kernel_shape", Shape64{2}}});
       },
       {"Indices"}},
      {"empty clip",
       [](OnnxBuilder& b) {
         b.weight("l", {}, {1}).weight("h", {}, {0}).node("Clip", {"x", "l", "h"}, {"y"});
       },
       {"bound"}},
      {"not finite",
       [](OnnxBuilder& b) {
         b.weight("c", {1}, {INFINITY}).node("Add", {"x", "c"}, {"y"});
       },
       {"infinite"}},
      {"other domain",
       [](OnnxBuilder& b) {
         b.node("Relu", {"x"}, {"y"});
         b.graph().mutable_node(0)->set_domain("com.example");
       },
       {"com.example.Relu"}},
      {"two inputs",
       [](OnnxBuilder& b) {
         b.input("z", {1, 4}).node("Add", {"x", "z"}, {"y"});
       },
       {"2 inputs", "x, z"}},
      {"two outputs",
       [](OnnxBuilder& b) { b.node("Relu", {"x"}, {"y"}).node("Neg", {"x"}, {"z"}).output("z"); },
       {"2 outputs", "y, z"}},
      {"old opset", [](OnnxBuilder& b) { b.node("Relu", {"x"}, {"y"}); }, {"opset 6"}, 6},
      {"new opset", [](OnnxBuilder& b) { b.node("Relu", {"x"}, {"y"}); }, {"opset 22"}, 22},
      {"constant output",
       [](OnnxBuilder& b) {
         b.node("Shape", {"x"}, {"s"}).node("Cast", {"s"}, {"y"}, {{"to", 1}});
       },
       {"does not depend"}},
      {"external data",
       [](OnnxBuilder& b) {
         b.random("c", {4}).node("Add", {"x", "c"}, {"y"});
         b.graph().mutable_initializer(0)->set_data_location(onnx::TensorProto::EXTERNAL);
       },
       {"another file", "'c'"}},
      {"half weights",
       [](OnnxBuilder& b) {
         b.random("c", {4}).node("Add", {"x", "c"}, {"y"});
         b.graph().mutable_initializer(0)->set_data_type(onnx::TensorProto::FLOAT16);
       },
       {"float16"}},
      {"integer input",
       [](OnnxBuilder& b) {
         b.node("Relu", {"x"}, {"y"});
         b.graph().mutable_input(0)->mutable_type()->mutable_tensor_type()->set_elem_type(
             onnx::TensorProto::INT64);
       },
       {"int64"}},
      {"no shape",
       [](OnnxBuilder& b) {
         b.node("Relu", {"x"}, {"y"});
         b.graph().mutable_input(0)->mutable_type()->mutable_tensor_type()->clear_shape();
       },
       {"no shape"}},
      {"behind the unknown",
       [](OnnxBuilder& b) {
         b.node("Softmax", {"x"}, {"s"}).node("Div", {"x", "s"}, {"y"});
       },
       {"Softmax", "division by a variable"}},
  };
  for (const Refused& c : cases) {
    SCOPED_TRACE(c.name);
    OnnxBuilder b(c.opset);
    b.input("x", {1, 4}).output("y");
    c.build(b);
    const std::string message = error_of(b.bytes(), ErrorKind::kUnsupported);
    for (const std::string& word : c.words)
      EXPECT_NE(message.find(word), std::string::npos) << word << " in: " << message;
  }
}

TEST(Onnx, RefusesMalformedModels) {
  const std::vector<Refused> cases = {
      {"no graph", [](OnnxBuilder& b) { b.model().clear_graph(); }, {"no graph"}},
      {"no opset",
       [](OnnxBuilder& b) { b.node("Relu", {"x"}, {"y"}).model().clear_opset_import(); },
       {"opset"}},
      {"no output",
       [](OnnxBuilder& b) { b.node("Relu", {"x"}, {"y"}).graph().clear_output(); },
       {"no output"}},
      {"unknown name",
       [](OnnxBuilder& b) {
         b.node("Add", {"x", "what"}, {"y"});
       },
       {"'what'"}},
      {"unknown output", [](OnnxBuilder& b) { b.node("Relu", {"x"}, {"z"}); }, {"'y'"}},
      {"cycle",
       [](OnnxBuilder& b) {
         b.node("Add", {"x", "b"}, {"a"}).node("Relu", {"a"}, {"b"}).node("Relu", {"b"}, {"y"});
       },
       {"cycle"}},
      {"twice",
       [](OnnxBuilder& b) { b.node("Relu", {"x"}, {"y"}).node("Neg", {"x"}, {"y"}); },
       {"twice"}},
      {"negative dimension",
       [](OnnxBuilder& b) {
         b.weight("c", {-4}, {}).node("Add", {"x", "c"}, {"y"});
       },
       {"negative"}},
      {"an axis padded twice",
       [](OnnxBuilder& b) {
         b.ints("p", {1, 0, 0, 1}).weight("v", {}, {0}).ints("axes", {1, -1});
         b.node("Pad", {"x", "p", "v", "axes"}, {"y"});
       },
       {"stands twice"}},
      {"huge dimensions",
       [](OnnxBuilder& b) {
         b.weight("c", {1LL << 40, 1LL << 40}, {}).node("Add", {"x", "c"}, {"y"});
       },
       {"too large"}},
      {"missing data",
       [](OnnxBuilder& b) {
         b.weight("c", {4}, {1, 2}).node("Add", {"x", "c"}, {"y"});
       },
       {"'c'", "needs 4"}},
      {"raw data size",
       [](OnnxBuilder& b) {
         b.weight("c", {4}, {}).node("Add", {"x", "c"}, {"y"});
         b.graph().mutable_initializer(0)->set_raw_data("12345");
       },
       {"needs 16"}},
      {"no broadcast",
       [](OnnxBuilder& b) {
         b.random("c", {3}).node("Add", {"x", "c"}, {"y"});
       },
       {"node_1", "broadcast"}},
      {"no product",
       [](OnnxBuilder& b) {
         b.random("c", {3, 2}).node("MatMul", {"x", "c"}, {"y"});
       },
       {"1x4", "3x2"}},
      {"attribute type",
       [](OnnxBuilder& b) {
         b.node("Flatten", {"x"}, {"y"}, {{"axis", 1.0F}});
       },
       {"'axis'"}},
      {"axis",
       [](OnnxBuilder& b) {
         b.node("Flatten", {"x"}, {"y"}, {{"axis", 9}});
       },
       {"axis 9"}},
      {"permutation",
       [](OnnxBuilder& b) {
         b.node("Transpose", {"x"}, {"y"}, {{"perm", Shape64{0, 0}}});
       },
       {"perm"}},
      {"stride",
       [](OnnxBuilder& b) {
         b.random("k", {1, 1, 1})
             .ints("s", {1, 1, 4})
             .node("Reshape", {"x", "s"}, {"r"})
             .node("Conv", {"r", "k"}, {"y"}, {{"strides", Shape64{0}}});
       },
       {"strides"}},
      {"window",
       [](OnnxBuilder& b) {
         b.random("k", {1, 1, 9})
             .ints("s", {1, 1, 4})
             .node("Reshape", {"x", "s"}, {"r"})
             .node("Conv", {"r", "k"}, {"y"});
       },
       {"larger"}},
      {"reshape",
       [](OnnxBuilder& b) {
         b.ints("s", {3, -1}).node("Reshape", {"x", "s"}, {"y"});
       },
       {"fit"}},
      {"reshape twice free",
       [](OnnxBuilder& b) {
         b.ints("s", {-1, -1}).node("Reshape", {"x", "s"}, {"y"});
       },
       {"twice"}},
      {"gather outside",
       [](OnnxBuilder& b) {
         b.ints("i", {4}).node("Gather", {"x", "i"}, {"y"}, {{"axis", 1}});
       },
       {"4"}},
      {"split",
       [](OnnxBuilder& b) {
         b.ints("p", {1, 2}).node("Split", {"x", "p"}, {"y", "z"}, {{"axis", 1}});
       },
       {"parts"}},
      {"missing input", [](OnnxBuilder& b) { b.node("Add", {"x"}, {"y"}); }, {"1 inputs"}},
      {"omitted input",
       [](OnnxBuilder& b) {
         b.node("Add", {"x", ""}, {"y"});
       },
       {"input 1 is missing"}},
      {"too many outputs",
       [](OnnxBuilder& b) {
         b.node("Relu", {"x"}, {"y", "z"});
       },
       {"outputs"}},
  };
  for (const Refused& c : cases) {
    SCOPED_TRACE(c.name);
    OnnxBuilder b(c.opset);
    b.input("x", {1, 4}).output("y");
    c.build(b);
    const std::string message = error_of(b.bytes(), ErrorKind::kBadInput);
    for (const std::string& word : c.words)
      EXPECT_NE(message.find(word), std::string::npos) << word << " in: " << message;
  }
}

}  // namespace
}  // namespace coronet
