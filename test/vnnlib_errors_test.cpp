// VNN-LIB that is refused: errors with their place, and limits of size.
#include "io/vnnlib.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "base/error.h"
#include "spec/normalize.h"
#include "vnnlib_texts.h"

namespace coronet {
namespace {

using test::kDeclare11;
using test::kDeclare22;
using test::kNetwork22;
using test::kOneByOne;
using test::kTwoByTwo;
using test::kUnitBox;
using test::show;

struct Failure {
  const char* name;
  std::string text;
  ErrorKind kind;
  std::string message;  ///< begins with the place; the error's text contains it
};

std::string v2(const std::string& network, const std::string& rest = "") {
  return "(vnnlib-version <2.0>)\n(declare-network N\n" + network + ")\n" + rest;
}

std::vector<Failure> failures() {
  constexpr ErrorKind bad = ErrorKind::kBadInput;
  constexpr ErrorKind no = ErrorKind::kUnsupported;
  const std::string in = "(declare-input X float32 [2])\n";
  const std::string out = "(declare-output Y float32 [2])";
  return {
      {"empty file", "", bad, "line 1, column 1: 0 inputs are declared, the network has 2"},
      {"X out of range", kDeclare22 + "(assert (<= X_2 0))", bad,
       "line 2, column 13: 'X_2' is out of range: the network has 2 inputs"},
      {"Y out of range in a declaration", kDeclare22 + "\n(declare-const Y_99999999999 Real)", bad,
       "line 3, column 16: 'Y_99999999999' is out of range: the network has 2 outputs"},
      {"fewer inputs declared",
       "(declare-const Y_0 Real)(declare-const Y_1 Real)\n(declare-const X_1 Real)", bad,
       "line 2, column 16: 1 inputs are declared, the network has 2"},
      {"fewer outputs declared", "(declare-const X_0 Real)(declare-const X_1 Real)", bad,
       "0 outputs are declared, the network has 2"},
      {"used but not declared",
       "(declare-const X_0 Real)(declare-const Y_0 Real)(declare-const Y_1 Real)\n(assert (<= X_0 "
       "X_1))",
       bad, "line 2, column 17: the variable is used but not declared"},
      {"declared twice", kDeclare22 + "(declare-const X_0 Real)", bad,
       "line 2, column 16: 'X_0' is declared twice"},
      {"other names", kDeclare22 + "(assert (<= Z_0 0))", bad,
       "line 2, column 13: unknown name 'Z_0'"},
      {"leading zero", kDeclare22 + "(assert (<= X_01 0))", bad, "line 2, column 13: unknown name"},
      {"no index", kDeclare22 + "(assert (<= X_ 0))", bad, "line 2, column 13: unknown name"},
      {"minus index", kDeclare22 + "(assert (<= X_-1 0))", bad, "line 2, column 13: unknown name"},
      {"type Int", "(declare-const X_0 Int)", no, "line 1, column 20: type 'Int'"},
      {"parameters", "(declare-fun X_0 (Real) Real)", no,
       "line 1, column 19: functions with parameters"},
      {"other command", kDeclare22 + "(check-sat)", no,
       "line 2, column 2: the command 'check-sat'"},
      {"unknown statement", "((assert))", bad, "line 1, column 2: expected declare-const"},
      {"text outside", "foo", bad, "line 1, column 1: expected '('"},
      {"one parenthesis too many", kDeclare22 + kUnitBox + ")", bad,
       "line 3, column 1: expected '(', found ')'"},
      {"open at the end", kDeclare22 + "(assert (<= X_0 0)", bad,
       "line 2, column 1: the parenthesis is never closed"},
      {"open or at the end", kDeclare22 + "(assert (or (<= X_0 0)", bad,
       "line 2, column 9: the parenthesis is never closed"},
      {"end in a comparison", kDeclare22 + "(assert (<= X_0", bad,
       "line 2, column 16: expected a number, a variable or '(', found the end of the file"},
      {"doubled parentheses (linearizenn)",
       kDeclare22 + "(assert (or\r\n  (and (<= (0.74 (- Y_0 (+ (* 13.9 X_1) 39.4)))))))", bad,
       "line 3, column 13: expected +, - or *, found '0.74': parentheses around operands?"},
      {"infix", kDeclare22 + "(assert (Y_0 < Y_1))", bad,
       "line 2, column 10: expected and, or or a comparison, found 'Y_0': the comparison comes "
       "first"},
      {"one operand", kDeclare22 + "(assert (<= Y_0))", bad,
       "line 2, column 16: a comparison takes two operands"},
      {"three operands", kDeclare22 + "(assert (<= 0 Y_0 1))", bad,
       "line 2, column 19: a comparison takes two operands, found '1' behind them"},
      {"and of nothing", kDeclare22 + "(assert (and))", bad,
       "line 2, column 13: 'and' needs at least one operand"},
      {"sum of nothing", kDeclare22 + "(assert (<= (+) 0))", bad,
       "line 2, column 15: '+' needs at least one operand"},
      {"bare variable", kDeclare22 + "(assert X_0)", bad, "line 2, column 9: expected a formula"},
      {"true", kDeclare22 + "(assert true)", no, "line 2, column 9: the constants true and false"},
      {"not", kDeclare22 + "(assert (not (<= X_0 0)))", no,
       "line 2, column 10: 'not' is not supported"},
      {"implication", kDeclare22 + "(assert (=> (<= X_0 0) (<= X_0 1)))", no,
       "line 2, column 10: '=>' is not supported"},
      {"unknown relation", kDeclare22 + "(assert (=< X_0 0))", bad,
       "line 2, column 10: expected and"},
      {"division", kDeclare22 + "(assert (<= (/ X_0 2) 0))", no,
       "line 2, column 14: '/' is not supported"},
      {"ite", kDeclare22 + "(assert (<= (ite X_0 2 3) 0))", no, "line 2, column 14: 'ite' is not"},
      {"product of variables", kDeclare22 + "(assert (<= (* X_0 2 Y_0) 0))", no,
       "line 2, column 13: product of variables"},
      {"square of a sum", kDeclare22 + "(assert (<= (+ 1 (* (+ X_0 1) (- X_0))) 0))", no,
       "line 2, column 18: product of variables"},
      {"nan", kDeclare22 + "(assert (<= X_0 nan))", bad,
       "line 2, column 17: 'nan' is not a finite number"},
      {"infinity", kDeclare22 + "(assert (<= X_0 -Infinity))", bad,
       "line 2, column 17: '-Infinity' is not"},
      {"overflow", kDeclare22 + "(assert (<= X_0 1e309))", bad,
       "line 2, column 17: number overflows a double"},
      {"overflow by arithmetic", kDeclare22 + "(assert (<= Y_0 (* 1e200 1e200)))", bad,
       "line 2, column 10: the comparison's arithmetic overflows"},
      {"two points", kDeclare22 + "(assert (<= X_0 1.2.3))", bad,
       "line 2, column 17: not a number: '1.2.3'"},
      {"half-converted exponent", kDeclare22 + "(assert (<= X_0 5.5E-8.0))", bad,
       "line 2, column 17: not a"},
      {"hexadecimal", kDeclare22 + "(assert (<= X_0 0x10))", bad,
       "line 2, column 17: not a number"},
      {"no exponent", kDeclare22 + "(assert (<= X_0 1e))", bad, "line 2, column 17: not a number"},
      {"no upper bound", kDeclare22 + "(assert (>= X_1 0))(assert (= X_0 0))", no,
       "line 1, column 40: input X_1 has no upper bound"},
      {"bounded in one disjunct only",
       kDeclare22 + "(assert (= X_0 0))(assert (or (and (>= X_1 0) (<= X_1 1)) (<= Y_0 0)))", no,
       "line 1, column 40: input X_1 has no bounds"},
      {"2.x behind 1.0", kDeclare22 + "(vnnlib-version <2.0>)", bad,
       "line 2, column 2: 'vnnlib-version' must come before all else"},
      {"version 3", "(vnnlib-version <3.0>)", no, "line 1, column 18: VNN-LIB version '3.0'"},
      {"bad version", "(vnnlib-version <two>)", bad, "line 1, column 18: expected a version"},
      {"several networks", v2(in + out, "(declare-network M"), no,
       "line 5, column 2: several networks"},
      {"equal-to", v2("(equal-to f)" + in + out), no,
       "line 3, column 2: several networks are not supported ('equal-to')"},
      {"several inputs", v2(in + in + out), no, "line 4, column 2: several inputs"},
      {"hidden", v2(in + "(declare-hidden H float32 [2] \"h\")\n" + out), no,
       "line 4, column 2: hidden nodes"},
      {"several outputs", v2(in + out + out), no, "line 4, column 32: several outputs"},
      {"initialized", v2("(declare-input X float32 [2] initialized)\n" + out), no,
       "line 3, column 30: initialized inputs"},
      {"output first", v2(out), bad,
       "line 3, column 2: expected declare-input, found 'declare-output'"},
      {"type of the model", v2("(declare-input X float64 [2])\n" + out), bad,
       "line 3, column 18: the query declares 'float64', the network computes in float32"},
      {"unknown type", v2("(declare-input X float [2])\n" + out), bad,
       "line 3, column 18: unknown element type 'float'"},
      {"two types", v2("(declare-input X real [2])\n" + out), bad,
       "line 4, column 19: the input is real"},
      {"shape of the model", v2("(declare-input X float32 [3])\n" + out), bad,
       "line 3, column 26: X has shape [3], the network's input has [2]"},
      {"shape [0] and leftover declare-fun",
       v2("(declare-input X float32 [0])\n" + out, "(declare-fun X[0] () Real)"), bad,
       "line 3, column 27: a dimension is at least 1"},
      {"leftover declare-fun", v2(in + out, "(declare-fun X[0] () Real)"), bad,
       "line 5, column 2: 'declare-fun' belongs to VNN-LIB 1.0"},
      {"name used twice", v2(in + "(declare-output X float32 [2])"), bad,
       "line 4, column 17: 'X' is declared twice"},
      {"bad name", v2("(declare-input 2X float32 [2])"), bad,
       "line 3, column 16: '2X' is not a name"},
      {"index out of range", kNetwork22 + "(assert (<= X[2] 0.0))", bad,
       "line 2, column 15: index '2' is out of range: the shape of 'X' is [2]"},
      {"negative index", kNetwork22 + "(assert (<= X[-1] 0.0))", bad,
       "line 2, column 15: expected an index"},
      {"index rank above", kNetwork22 + "(assert (<= X[0,0] 0.0))", bad,
       "line 2, column 13: 'X' has 2 indices here, its shape is [2]"},
      {"whole tensor", kNetwork22 + "(assert (<= X 0.0))", bad,
       "line 2, column 13: 'X' has 0 indices here"},
      {"1.0 names in 2.x", kNetwork22 + "(assert (<= X_0 0.0))", bad,
       "line 2, column 13: unknown variable 'X_0': VNN-LIB 2.x writes elements as X[0]"},
      {"infix in 2.x", kNetwork22 + "(assert (Y[1] < Y[0]))", bad,
       "line 2, column 10: expected and, or or a"},
      {"polynomial in 2.x", kNetwork22 + "(assert (>= (* X[0] 200.0) (* X[1] X[1])))", no,
       "line 2, column 28: product of variables"},
      {"no upper bound in 2.x", kNetwork22 + "(assert (and (>= X[1] 0.0) (== X[0] 0.0)))", no,
       "line 1, column 57: input X[1] has no upper bound"},
      {"only a version", "(vnnlib-version <2.0>)", bad,
       "line 1, column 23: expected '(', found the end"},
      {"control characters are not echoed", kDeclare22 + std::string("(assert (\x01\x00\xFF))", 13),
       bad,
       "line 2, column 10: expected and, or or a comparison, found '??"
       "?'"},
      {"a lone carriage return counts as a line end", "; a\r; b\r\n(foo)", no,
       "line 3, column 2: the command"},
  };
}

TEST(Vnnlib, ErrorsNameTheirPlace) {
  for (const Failure& test : failures()) {
    SCOPED_TRACE(test.name);
    try {
      ADD_FAILURE() << show(parse_vnnlib(test.text, kTwoByTwo));
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), test.kind) << error.what();
      EXPECT_NE(std::string(error.what()).find(test.message), std::string::npos) << error.what();
      EXPECT_EQ(std::string(error.what()).rfind("line ", 0), 0U) << error.what();
    }
  }
}

TEST(Vnnlib, IndexRankMustBeUnambiguous) {
  EXPECT_THROW(
      parse_vnnlib("(declare-network N (declare-input X real [2,3])(declare-output Y real [1]))"
                   "(assert (<= X[1] 0.0))",
                   {{2, 3}, {1}, "float32"}),
      Error);
  EXPECT_THROW(
      parse_vnnlib("(declare-network N (declare-input X real [3,2])(declare-output Y real [1]))",
                   {{2, 3}, {1}, "float32"}),
      Error);
}

TEST(Vnnlib, DeepNestingIsRead) {
  constexpr int kDepth = 200'000;
  std::string text = kDeclare11 + "(assert (= X_0 1))(assert ";
  for (int i = 0; i < kDepth; ++i) text += i % 2 == 0 ? "(or " : "(and ";
  text += "(<= ";
  for (int i = 0; i < kDepth; ++i) text += "(+ ";
  text += "Y_0";
  for (int i = 0; i < kDepth; ++i) text += " 1)";
  text += " 0)" + std::string(kDepth, ')') + ")";
  EXPECT_EQ(show(parse_vnnlib(text, kOneByOne)), "0: [1,1]; 1*Y0 200000 <= 0\n");
}

TEST(Vnnlib, ManyDisjunctsAreReadInLinearTime) {
  constexpr int kDisjuncts = 120'000;
  std::string text = kDeclare22 + "(assert (or\n";
  for (int i = 0; i < kDisjuncts; ++i) {
    text += fmt::format(
        "(and (>= X_0 {0}) (<= X_0 {0}.5) (>= X_1 0.0) (<= X_1 1.0) (<= Y_0 {0}))\n", i);
  }
  text += "))";
  const auto start = std::chrono::steady_clock::now();
  const Property property = parse_vnnlib(text, kTwoByTwo);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  EXPECT_EQ(property.clauses.size(), static_cast<std::size_t>(kDisjuncts));
  EXPECT_EQ(property.boxes.size(), static_cast<std::size_t>(kDisjuncts));
  EXPECT_LT(seconds.count(),
            30);  // a quadratic reader takes minutes, this one a fraction of a second
}

TEST(Vnnlib, TooManyClausesAreRefusedNotDropped) {
  std::string text = kDeclare22 + kUnitBox;
  for (int i = 0; i < 40; ++i) text += fmt::format("(assert (or (<= Y_0 {0}) (>= Y_1 {0})))\n", i);
  try {
    parse_vnnlib(text, kTwoByTwo);
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kUnsupported);
    EXPECT_NE(std::string(error.what()).find("more than 2000000 clauses"), std::string::npos)
        << error.what();
  }
}

TEST(Vnnlib, EmptyBoxesAreCutOffBeforeMultiplyingOut) {
  // 2^60 combinations, of which the boxes leave one: of each choice only the second can hold.
  std::string text = kDeclare22 + kUnitBox;
  for (int i = 0; i < 60; ++i) text += fmt::format("(assert (or (>= X_0 2) (<= Y_0 {})))\n", i);
  const Property property = parse_vnnlib(text, kTwoByTwo);
  ASSERT_EQ(property.clauses.size(), 1U);
  EXPECT_EQ(property.clauses[0].constraints.size(), 60U);
}

TEST(Vnnlib, LimitsOfMemoryAreRefusals) {
  FormulaBuilder builder;
  for (const NodeKind kind : {NodeKind::kLower, NodeKind::kUpper}) {
    Node node;
    node.kind = kind;
    builder.add(node);
  }
  builder.open(NodeKind::kOr, 7);
  for (int i = 0; i < 3; ++i) builder.add(Constraint{{}, {{i, 1.0}}, 0, false});
  builder.close();
  const Formula formula = builder.finish();
  const auto name = [](int i) { return InputReference{fmt::format("X_{}", i), 0}; };
  for (const NormalizeLimits& limits :
       {NormalizeLimits{2}, NormalizeLimits{9, 2}, NormalizeLimits{9, 9, 0}}) {
    Property property;
    property.inputs = 1;
    EXPECT_ANY_THROW(normalize(formula, name, property, limits));
  }
  Property property;
  property.inputs = 1;
  normalize(formula, name, property, NormalizeLimits{3, 3, 1});
  EXPECT_EQ(property.clauses.size(), 3U);
}

}  // namespace
}  // namespace coronet
