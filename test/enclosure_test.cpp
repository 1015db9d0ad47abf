// Networks evaluated in intervals: they hold the exact value, and are points where no operation
// rounds.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "base/interval.h"
#include "base/rng.h"
#include "io/onnx.h"
#include "lower_affine_cases.h"
#include "lower_other_cases.h"
#include "search/oracle.h"

namespace coronet {
namespace {

using test::OnnxBuilder;

std::vector<test::LowerCase> all_cases() {
  std::vector<test::LowerCase> cases = test::lower_affine_cases();
  for (const test::LowerCase& c : test::lower_other_cases()) cases.push_back(c);
  return cases;
}

// Rounding to nearest lies between rounding down and up, operation by operation.
TEST(Enclosure, HoldsTheEvaluationInDouble) {
  for (const test::LowerCase& c : all_cases()) {
    SCOPED_TRACE(c.name);
    OnnxBuilder b(c.opset);
    b.input("x", c.input).output("y");
    c.build(b);
    const Model model = Model::parse(b.bytes());
    std::int64_t count = 1;
    for (const long long d : model.signature().input_shape) count *= d;
    std::vector<double> x(static_cast<std::size_t>(count));
    for (std::uint64_t i = 0; i < x.size(); ++i) x[i] = uniform(3, 0, i) * 2 - 1;
    const std::vector<double> y = model.evaluate(x);
    const std::vector<Interval> z = model.enclose(x);
    ASSERT_EQ(y.size(), z.size());
    for (std::size_t i = 0; i < y.size(); ++i) {
      EXPECT_LE(z[i].lower(), y[i]);
      EXPECT_GE(z[i].upper(), y[i]);
      EXPECT_LE(z[i].upper() - z[i].lower(), 1e-12 * (1 + std::fabs(y[i])));
    }
  }
}

/// A network of which doubles get the sign wrong at one point: y = 0 there or below, but it is
/// above, or the other way round.
struct Trap {
  std::string name;
  std::vector<double> x;
  std::function<void(OnnxBuilder&)> build;  ///< makes y, one number, of x
};

constexpr double kTiny = 0x1p-60;

std::vector<Trap> traps() {
  const std::vector<double> cancels = {1, kTiny, 1};
  std::vector<Trap> all;
  all.push_back({"MatMul", cancels, [](OnnxBuilder& b) {
                   b.weight("w", {3, 1}, {1, 1, -1}).node("MatMul", {"x", "w"}, {"y"});
                 }});
  all.push_back({"Gemm", cancels, [](OnnxBuilder& b) {
                   b.weight("w", {1, 3}, {1, 1, -1})
                       .weight("c", {1}, {0})
                       .node("Gemm", {"x", "w", "c"}, {"y"}, {{"transB", std::int64_t{1}}});
                 }});
  all.push_back({"Gemm's bias", {kTiny}, [](OnnxBuilder& b) {
                   b.weight("w", {1, 1}, {1})
                       .weight("c", {1}, {1})
                       .weight("d", {1}, {1})
                       .node("Gemm", {"x", "w", "c"}, {"g"})
                       .node("Sub", {"g", "d"}, {"y"});
                 }});
  all.push_back({"Conv", cancels, [](OnnxBuilder& b) {
                   b.ints("s", {1, 1, 3})
                       .weight("w", {1, 1, 3}, {1, 1, -1})
                       .node("Reshape", {"x", "s"}, {"r"})
                       .node("Conv", {"r", "w"}, {"y"});
                 }});
  all.push_back(
      {"Add", {kTiny}, [](OnnxBuilder& b) {
         b.weight("c", {1}, {1}).node("Add", {"x", "c"}, {"a"}).node("Sub", {"a", "c"}, {"y"});
       }});
  for (const char* op : {"ReduceSum", "ReduceMean"}) {
    all.push_back({op, {1, kTiny, -1}, [op](OnnxBuilder& b) { b.node(op, {"x"}, {"y"}); }});
  }
  for (const char* op : {"AveragePool", "GlobalAveragePool"}) {
    all.push_back({op, {1, kTiny, -1}, [op](OnnxBuilder& b) {
                     b.ints("s", {1, 1, 3}).node("Reshape", {"x", "s"}, {"r"});
                     test::Attributes kernel;
                     if (op == std::string("AveragePool"))
                       kernel = {{"kernel_shape", test::Shape64{3}}};
                     b.node(op, {"r"}, {"y"}, kernel);
                   }});
  }
  all.push_back({"constant folded", {1}, [](OnnxBuilder& b) {
                   b.weight("c", {1}, {1})
                       .weight("t", {1}, {kTiny})
                       .node("Add", {"c", "t"}, {"sum"})
                       .node("Sub", {"sum", "x"}, {"y"});
                 }});
  all.push_back({"constant folded and moved", {1}, [](OnnxBuilder& b) {
                   b.weight("c", {1}, {1})
                       .weight("t", {1}, {kTiny})
                       .ints("s", {1, 1})
                       .node("Add", {"c", "t"}, {"sum"})
                       .node("Reshape", {"sum", "s"}, {"moved"})
                       .node("Concat", {"moved", "c1"}, {"both"}, {{"axis", std::int64_t{1}}})
                       .weight("c1", {1, 1}, {1})
                       .ints("zero", {0})
                       .node("Gather", {"both", "zero"}, {"one"}, {{"axis", std::int64_t{1}}})
                       .node("Sub", {"one", "x"}, {"y"});
                 }});
  all.push_back({"Mul and Div", {1}, [](OnnxBuilder& b) {  // (1 - u)(1 + u) is less than 1
                   b.weight("c", {1}, {1 + 0x1p-23})
                       .weight("d", {1}, {1 - 0x1p-23})
                       .weight("one", {1}, {1})
                       .weight("small", {1}, {0x1p-23})
                       .node("Mul", {"x", "c"}, {"m"})
                       .node("Mul", {"m", "d"}, {"n"})
                       .node("Mul", {"n", "c"}, {"o"})
                       .node("Div", {"o", "d"}, {"p"})
                       .node("Div", {"p", "c"}, {"q"})
                       .node("Div", {"q", "c"}, {"r"})
                       .node("Sub", {"one", "r"}, {"y"});
                 }});
  all.push_back({"BatchNormalization", {kTiny}, [](OnnxBuilder& b) {
                   b.weight("one", {1}, {1})
                       .weight("none", {1}, {0})
                       .node("BatchNormalization", {"x", "one", "one", "none", "one"}, {"n"},
                             {{"epsilon", 0.0F}})
                       .node("Sub", {"n", "one"}, {"y"});
                 }});
  all.push_back({"Sigmoid", {-0x1p-80}, [](OnnxBuilder& b) {
                   b.weight("half", {1}, {0.5})
                       .node("Sigmoid", {"x"}, {"s"})
                       .node("Sub", {"half", "s"}, {"y"});
                 }});
  all.push_back(
      {"Tanh", {20}, [](OnnxBuilder& b) {
         b.weight("one", {1}, {1}).node("Tanh", {"x"}, {"t"}).node("Sub", {"one", "t"}, {"y"});
       }});
  all.push_back({"LeakyRelu", {-kTiny}, [](OnnxBuilder& b) {
                   b.weight("one", {1}, {1})
                       .node("LeakyRelu", {"x"}, {"l"}, {{"alpha", 0.5F}})
                       .node("Sub", {"one", "l"}, {"m"})
                       .node("Sub", {"m", "one"}, {"y"});
                 }});
  return all;
}

Property ask(const std::vector<double>& x, double coefficient, bool strict) {
  Constraint c;
  c.outputs = {{0, coefficient}};
  c.strict = strict;
  Property p;
  p.inputs = static_cast<int>(x.size());
  p.outputs = 1;
  p.boxes = {{x, x}};
  p.clauses = {{0, {c}}};
  return p;
}

enum class Answer { kNo, kDoubt, kYes };

Answer ask_oracle(const Model& model, const std::vector<double>& x, double coefficient,
                  bool strict) {
  const Graph graph = model.lower();
  const Property property = ask(x, coefficient, strict);
  search::Oracle oracle(graph, property,
                        [&](const std::vector<double>& at) { return model.enclose(at); });
  std::vector<float> start(x.begin(), x.end());
  oracle.offer(0, start.data());
  EXPECT_NE(oracle.doubtful() && oracle.best().has_value(), true);
  return oracle.best() ? Answer::kYes : oracle.doubtful() ? Answer::kDoubt : Answer::kNo;
}

// y = 0 in doubles, but the exact y is a little above: y <= 0 must not be claimed.
TEST(Enclosure, RoundingMakesNoCounterexample) {
  for (const Trap& trap : traps()) {
    SCOPED_TRACE(trap.name);
    OnnxBuilder b;
    const auto n = static_cast<std::int64_t>(trap.x.size());
    b.input("x", {1, n}).output("y");
    trap.build(b);
    const Model model = Model::parse(b.bytes());
    ASSERT_EQ(model.evaluate(trap.x).size(), 1U);
    ASSERT_LE(model.evaluate(trap.x)[0], 0) << "the trap does not bite";
    EXPECT_GT(model.enclose(trap.x)[0].upper(), 0);
    EXPECT_NE(ask_oracle(model, trap.x, 1, false), Answer::kYes);
    EXPECT_NE(ask_oracle(model, trap.x, 1, true), Answer::kYes);
  }
}

// y = 0 exactly, by operations that do not round: y <= 0 is met, y < 0 is not.
TEST(Enclosure, WhatIsExactIsDecided) {
  struct Case {
    std::string name;
    std::vector<double> x;
    std::function<void(OnnxBuilder&)> build;
  };
  const auto third = static_cast<double>(1.0F / 3);
  const std::vector<Case> cases = {
      {"Identity", {0}, [](OnnxBuilder& b) { b.node("Identity", {"x"}, {"y"}); }},
      {"a difference",
       {third, third},
       [](OnnxBuilder& b) {
         b.weight("w", {2, 1}, {1, -1}).node("MatMul", {"x", "w"}, {"y"});
       }},
      {"products that cancel",
       {third, third},
       [third](OnnxBuilder& b) {
         b.weight("w", {2, 1}, {third, -third}).node("MatMul", {"x", "w"}, {"y"});
       }},
      {"Relu", {-third}, [](OnnxBuilder& b) { b.node("Relu", {"x"}, {"y"}); }},
      {"MaxPool",
       {-third, 0},
       [](OnnxBuilder& b) {
         b.ints("s", {1, 1, 2})
             .node("Reshape", {"x", "s"}, {"r"})
             .node("MaxPool", {"r"}, {"y"}, {{"kernel_shape", test::Shape64{2}}});
       }},
      {"Tanh", {0}, [](OnnxBuilder& b) { b.node("Tanh", {"x"}, {"y"}); }},
      {"Sigmoid",
       {0},
       [](OnnxBuilder& b) {
         b.weight("half", {1}, {0.5}).node("Sigmoid", {"x"}, {"s"});
         b.node("Sub", {"s", "half"}, {"y"});
       }},
      {"whole numbers in two layers",
       {3, 5},
       [](OnnxBuilder& b) {
         b.weight("w", {2, 2}, {1, 2, -1, 1})
             .weight("c", {2}, {7, -12})
             .weight("v", {2, 1}, {2, 10})
             .weight("d", {1}, {-10});
         b.node("Gemm", {"x", "w", "c"}, {"g"})
             .node("Relu", {"g"}, {"r"})
             .node("Gemm", {"r", "v", "d"}, {"y"});
       }},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    OnnxBuilder b;
    b.input("x", {1, static_cast<std::int64_t>(c.x.size())}).output("y");
    c.build(b);
    const Model model = Model::parse(b.bytes());
    const Interval y = model.enclose(c.x)[0];
    EXPECT_TRUE(y.exact()) << y.lower() << ' ' << y.upper();
    EXPECT_EQ(y.upper(), 0);
    for (const double sign : {1.0, -1.0}) {
      EXPECT_EQ(ask_oracle(model, c.x, sign, false), Answer::kYes);
      EXPECT_EQ(ask_oracle(model, c.x, sign, true), Answer::kNo);
    }
  }
}

TEST(Enclosure, OverflowIsInDoubt) {
  OnnxBuilder b;
  b.input("x", {1, 1}).output("y").weight("w", {1, 1}, {3e38});
  std::string from = "x";
  for (int k = 0; k < 10; ++k) {
    const std::string to = k == 9 ? "y" : "m" + std::to_string(k);
    b.node("MatMul", {from, "w"}, {to});
    from = to;
  }
  const Model model = Model::parse(b.bytes());
  const Interval y = model.enclose(std::vector<double>{-1e38})[0];
  EXPECT_FALSE(y.finite());
  EXPECT_EQ(ask_oracle(model, {-static_cast<double>(1e38F)}, 1, false), Answer::kDoubt);
}

}  // namespace
}  // namespace coronet
