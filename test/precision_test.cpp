// What lowering rounds when it computes constants: bounds hold for the model's own numbers.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "base/error.h"
#include "bound/root.h"
#include "graphs.h"
#include "io/onnx.h"
#include "lower_affine_cases.h"
#include "lower_other_cases.h"
#include "search/verify.h"

namespace coronet {
namespace {

using test::OnnxBuilder;

constexpr double kBig = 1e6;
constexpr double kLost = -5e-11;  // less than half a unit in the last place of kBig

struct Folded {
  std::string name;
  std::function<void(OnnxBuilder&)> build;  ///< y = x + kLost, written with kBig and -kBig
};

std::vector<Folded> folded() {
  const auto numbers = [](OnnxBuilder& b) -> OnnxBuilder& {
    return b.weight("big", {1}, {kBig})
        .weight("minus", {1}, {-kBig})
        .weight("lost", {1}, {kLost})
        .weight("one", {1}, {1})
        .weight("unit", {1, 1}, {1});
  };
  return {
      {"shifts into the next layer",
       [=](OnnxBuilder& b) {
         numbers(b)
             .node("Add", {"x", "big"}, {"a"})
             .node("Add", {"a", "lost"}, {"b"})
             .node("Gemm", {"b", "unit", "minus"}, {"y"});
       }},
      {"shifts into the layer before",
       [=](OnnxBuilder& b) {
         numbers(b)
             .node("Gemm", {"x", "unit", "big"}, {"a"})
             .node("Add", {"a", "lost"}, {"b"})
             .node("Gemm", {"b", "unit", "minus"}, {"y"});
       }},
      {"shifts into a convolution",
       [=](OnnxBuilder& b) {
         numbers(b).weight("kernel", {1, 1, 1, 1}, {1}).ints("image", {1, 1, 1, 1});
         b.node("Reshape", {"x", "image"}, {"r"})
             .node("Add", {"r", "big"}, {"a"})
             .node("Add", {"a", "lost"}, {"b"})
             .node("Conv", {"b", "kernel", "minus"}, {"y"});
       }},
      {"batch normalisation",
       [=](OnnxBuilder& b) {
         numbers(b)
             .node("BatchNormalization", {"x", "one", "lost", "minus", "one"}, {"a"},
                   {{"epsilon", 0.0F}})
             .node("Gemm", {"a", "unit", "minus"}, {"y"});
       }},
      {"a constant made of constants",
       [=](OnnxBuilder& b) {
         numbers(b)
             .node("Add", {"big", "lost"}, {"sum"})
             .node("Add", {"x", "sum"}, {"a"})
             .node("Gemm", {"a", "unit", "minus"}, {"y"});
       }},
      {"a bias made of constants",
       [=](OnnxBuilder& b) {
         numbers(b)
             .node("Add", {"big", "lost"}, {"sum"})
             .node("Gemm", {"x", "unit", "sum"}, {"a"})
             .node("Relu", {"a"}, {"r"})
             .node("Gemm", {"r", "unit", "minus"}, {"y"});
       }},
      {"the mean of a pool",
       [=](OnnxBuilder& b) {
         numbers(b).ints("image", {1, 1, 1, 1});
         b.node("Add", {"x", "big"}, {"a"})
             .node("Add", {"a", "lost"}, {"b"})
             .node("Reshape", {"b", "image"}, {"r"})
             .node("GlobalAveragePool", {"r"}, {"m"})
             .node("Flatten", {"m"}, {"f"})
             .node("Gemm", {"f", "unit", "minus"}, {"y"});
       }},
  };
}

Model model_of(const Folded& f) {
  OnnxBuilder b;
  b.input("x", {1, 1}).output("y");
  f.build(b);
  return Model::parse(b.bytes());
}

TEST(Precision, BoundsHoldForTheModelsOwnNumbers) {
  for (const Folded& f : folded()) {
    const Model model = model_of(f);
    const Graph graph = model.lower();
    test::Engine engine(graph);
    for (const double x : {0.0, 0.25, 1.0}) {
      const long double exact = static_cast<long double>(x) + static_cast<float>(kLost);
      for (const auto method : {bound::Method::kInterval, bound::Method::kCrown}) {
        SCOPED_TRACE(testing::Message() << f.name << " at " << x);
        bound::RootSettings settings{method};
        settings.all_neurons = true;
        const bound::Root root = bound_root(engine.context, {x}, {x}, settings);
        EXPECT_LE(static_cast<long double>(root.bounds.lo.back()[0]), exact);
        EXPECT_GE(static_cast<long double>(root.bounds.hi.back()[0]), exact);
        EXPECT_LE(root.bounds.hi.back()[0] - root.bounds.lo.back()[0], 1e-6);
      }
    }
  }
}

// y <= -1e-11 is met at x = 0, by less than kBig has digits for.
TEST(Precision, NothingIsRefutedThatRoundingHides) {
  for (const Folded& f : folded()) {
    const Model model = model_of(f);
    const Graph graph = model.lower();
    for (const double margin : {1e-11, 1.0}) {
      Constraint c;
      c.outputs = {{0, 1}};
      c.constant = margin;
      Property property;
      property.inputs = property.outputs = 1;
      property.boxes = {{{0}, {1}}};
      property.clauses = {{0, {c}}};
      for (const char* branch : {"relu", "input"}) {
        SCOPED_TRACE(testing::Message() << f.name << ' ' << margin << ' ' << branch);
        Options options;
        options.timeout = elapsed_seconds() + 0.05 + margin;
        options.threads = 1;
        options.branch = branch;
        Tracer tracer;
        const Result result = search::verify(
            graph, property, [&](const std::vector<double>& x) { return model.enclose(x); },
            options, tracer);
        if (margin == 1) {
          EXPECT_EQ(result.verdict, Verdict::kHolds) << result.reason;
        } else {
          EXPECT_NE(result.verdict, Verdict::kHolds);
        }
      }
    }
  }
}

/// Does the graph say that its numbers are those of the model?
bool exact(const Graph& graph) {
  bool all = true;
  for (const Node& node : graph.nodes) {
    std::visit(
        [&](const auto& op) {
          if constexpr (requires { op.precision; }) {
            all = all && op.precision.roundings == 0 && op.precision.hidden.empty();
          }
        },
        node.op);
  }
  return all;
}

TEST(Precision, OfOrdinaryLayersIsPerfect) {
  OnnxBuilder b;
  b.input("x", {1, 4}).output("y").random("w", {4, 3}).random("c", {3}).random("v", {3, 2});
  b.random("d", {2}).weight("half", {1}, {0.5}).weight("two", {1}, {2});
  b.node("MatMul", {"x", "w"}, {"m"})
      .node("Add", {"m", "c"}, {"a"})
      .node("Relu", {"a"}, {"r"})
      .node("Gemm", {"r", "v", "d"}, {"g"})
      .node("Mul", {"g", "half"}, {"h"})
      .node("Div", {"h", "two"}, {"y"});
  EXPECT_TRUE(exact(Model::parse(b.bytes()).lower()));
}

// At a point, the bounds of the lowered graph meet the enclosure of the graph as written.
TEST(Precision, BoundsMeetTheEnclosure) {
  std::vector<test::LowerCase> cases = test::lower_affine_cases();
  for (const test::LowerCase& c : test::lower_other_cases()) cases.push_back(c);
  for (const test::LowerCase& c : cases) {
    SCOPED_TRACE(c.name);
    OnnxBuilder b(c.opset);
    b.input("x", c.input).output("y");
    c.build(b);
    const Model model = Model::parse(b.bytes());
    const Graph graph = model.lower();
    const bound::Network<double> net(graph, 0);
    test::Draw draw(5);
    const std::vector<double> x = draw.reals(graph.inputs(), -1, 1);
    std::vector<double> at;
    for (const int i : graph.input_order) at.push_back(x[static_cast<std::size_t>(i)]);
    const bound::Bounds bounds = interval_bounds(net, 1, at, at);
    const std::vector<Interval> y = model.enclose(x);
    for (std::size_t i = 0; i < y.size(); ++i) {
      const Interval& exact_y = y[static_cast<std::size_t>(graph.output_order[i])];
      EXPECT_LE(bounds.lo.back()[i], exact_y.upper());
      EXPECT_GE(bounds.hi.back()[i], exact_y.lower());
    }
  }
}

TEST(Precision, ConstantsWithoutDigitsAreRefused) {
  OnnxBuilder b;
  b.input("x", {1, 1}).output("y").weight("big", {1}, {kBig}).weight("lost", {1}, {kLost});
  b.node("Add", {"big", "lost"}, {"sum"})
      .node("Sub", {"sum", "big"}, {"zero"})
      .node("Add", {"x", "zero"}, {"y"});
  try {
    static_cast<void>(Model::parse(b.bytes()).lower());
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kUnsupported);
    EXPECT_NE(std::string(error.what()).find("leaves too little"), std::string::npos);
  }
}

}  // namespace
}  // namespace coronet
