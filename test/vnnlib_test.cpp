// VNN-LIB into normal form: texts with the property expected of them, errors with their place, and
// random formulas against a direct evaluation.
#include "io/vnnlib.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <iterator>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "io/file.h"
#include "spec/decimal.h"
#include "spec/normalize.h"

namespace coronet {
namespace {

// "0.5*X1 -1*Y0 -3 < 0"
std::string show(const Constraint& constraint) {
  std::string text;
  for (const Term& term : constraint.inputs) {
    text += fmt::format("{}*X{} ", term.coefficient, term.index);
  }
  for (const Term& term : constraint.outputs) {
    text += fmt::format("{}*Y{} ", term.coefficient, term.index);
  }
  if (constraint.constant != 0) text += fmt::format("{} ", constraint.constant);
  return text + (constraint.strict ? "< 0" : "<= 0");
}

// One line a clause: "0: [0,1] [2,3]; 1*Y0 <= 0", the first number being the box's.
std::string show(const Property& property) {
  std::string text;
  for (const Clause& clause : property.clauses) {
    text += fmt::format("{}:", clause.box);
    const Box& box = property.boxes[static_cast<std::size_t>(clause.box)];
    for (std::size_t i = 0; i < box.lower.size(); ++i) {
      text += fmt::format(" [{},{}]", box.lower[i], box.upper[i]);
    }
    for (const Constraint& constraint : clause.constraints) text += "; " + show(constraint);
    text += '\n';
  }
  return text;
}

const Signature kTwoByTwo = {{2}, {2}, "float32"};
const Signature kOneByOne = {{1, 1}, {1, 1}, "float32"};

const std::string kDeclare11 = "(declare-const X_0 Real)(declare-const Y_0 Real)\n";
const std::string kDeclare22 =
    "(declare-const X_0 Real)(declare-const X_1 Real)"
    "(declare-const Y_0 Real)(declare-const Y_1 Real)\n";
const std::string kUnitBox =
    "(assert (>= X_0 0))(assert (<= X_0 1))(assert (>= X_1 0))(assert (<= X_1 1))\n";
const std::string kNetwork22 =
    "(vnnlib-version <2.0>)(declare-network N (declare-input X float32 [2])"
    "(declare-output Y float32 [2]))\n";
const std::string kUnitBox2 =
    "(assert (and (>= X[0] 0.0) (<= X[0] 1.0) (>= X[1] 0.0) (<= X[1] 1.0)))\n";

struct Case {
  const char* name;
  Signature signature;
  std::string text;
  std::string expected;
};

std::vector<Case> normal_forms() {
  const std::string unit = "0: [0,1] [0,1]";
  return {
      {"no output constraint", kTwoByTwo, kDeclare22 + kUnitBox, unit + "\n"},
      {"robustness: one box for all disjuncts, one-child and", kTwoByTwo,
       kDeclare22 + kUnitBox + "(assert (or (and (>= Y_1 Y_0)) (and (<= Y_1 -1e-06))))",
       unit + "; 1*Y0 -1*Y1 <= 0\n" + unit + "; 1*Y1 1e-06 <= 0\n"},
      {"one-child or", kTwoByTwo, kDeclare22 + kUnitBox + "(assert (or (and (>= Y_0 3.99))))",
       unit + "; -1*Y0 3.99 <= 0\n"},
      {"union of boxes, not its hull", kTwoByTwo,
       kDeclare22 + "(assert (or (and (<= X_0 1) (>= X_0 0) (>= X_1 0) (<= X_1 1))"
                    "(and (>= X_0 3) (<= X_0 4) (>= X_1 0) (<= X_1 1))))"
                    "(assert (or (<= Y_0 Y_1) (<= Y_0 0)))",
       "0: [0,1] [0,1]; 1*Y0 -1*Y1 <= 0\n0: [0,1] [0,1]; 1*Y0 <= 0\n"
       "1: [3,4] [0,1]; 1*Y0 -1*Y1 <= 0\n1: [3,4] [0,1]; 1*Y0 <= 0\n"},
      {"a disjunct intersects the top-level box", kTwoByTwo,
       kDeclare22 + kUnitBox + "(assert (or (and (<= X_0 0.5) (<= Y_0 0)) (<= Y_1 0)))",
       "0: [0,0.5] [0,1]; 1*Y0 <= 0\n1: [0,1] [0,1]; 1*Y1 <= 0\n"},
      {"top-level output assertion beside an or, and after it", kTwoByTwo,
       kDeclare22 + kUnitBox + "(assert (or (<= Y_0 0) (>= Y_0 1)))(assert (<= Y_1 0.045))",
       unit + "; 1*Y1 -0.045 <= 0; 1*Y0 <= 0\n" + unit + "; 1*Y1 -0.045 <= 0; -1*Y0 1 <= 0\n"},
      {"several or are a conjunction", kTwoByTwo,
       kDeclare22 + kUnitBox +
           "(assert (or (<= Y_0 0) (>= Y_0 1)))(assert (or (<= Y_1 0) (>= Y_1 1)))",
       unit + "; 1*Y0 <= 0; 1*Y1 <= 0\n" + unit + "; 1*Y0 <= 0; -1*Y1 1 <= 0\n" + unit +
           "; -1*Y0 1 <= 0; 1*Y1 <= 0\n" + unit + "; -1*Y0 1 <= 0; -1*Y1 1 <= 0\n"},
      {"boxes and outputs mixed in one or", kOneByOne,
       kDeclare11 + "(assert (or (and (>= X_0 0) (<= X_0 1) (<= Y_0 0))"
                    "(and (>= X_0 0) (<= X_0 1) (>= Y_0 5)) (and (>= X_0 2) (<= X_0 3))))",
       "0: [0,1]; 1*Y0 <= 0\n0: [0,1]; -1*Y0 5 <= 0\n1: [2,3]\n"},
      {"nested or in or and and in and", kTwoByTwo,
       kDeclare22 + kUnitBox +
           "(assert (or (or (<= Y_0 0) (<= Y_0 1)) (and (and (<= Y_0 2) (<= Y_0 3)) (<= Y_0 4))))",
       unit + "; 1*Y0 <= 0\n" + unit + "; 1*Y0 -1 <= 0\n" + unit +
           "; 1*Y0 -2 <= 0; 1*Y0 -3 <= 0; 1*Y0 -4 <= 0\n"},
      {"declare-fun, declarations in any order, after use, out of order", kTwoByTwo,
       kUnitBox + "(declare-fun Y_1 () Real)(declare-fun X_1 () Real)(assert (<= Y_1 0))"
                  "(declare-const Y_0 Real)(declare-const X_0 Real)",
       unit + "; 1*Y1 <= 0\n"},
      {"X_10 comes after X_2",
       {{11}, {1}, "float32"},
       [] {
         std::string text = "(declare-const Y_0 Real)";
         for (const int i : {10, 2, 0, 1, 9, 8, 7, 6, 5, 4, 3}) {
           text += fmt::format("(declare-const X_{0} Real)(assert (= X_{0} {0}))", i);
         }
         return text;
       }(),
       "0: [0,0] [1,1] [2,2] [3,3] [4,4] [5,5] [6,6] [7,7] [8,8] [9,9] [10,10]\n"},
      {"comments, CRLF, tabs, byte order mark, blank lines", kOneByOne,
       "\xEF\xBB\xBF; head\r\n\r\n\t(declare-const\tX_0\tReal) ; X_9 (assert\r\n(declare-const Y_0 "
       "Real)\r\n"
       "(assert (>= X_0 -1)); c\r\n(assert\r\n(<= X_0 1))\r\n\r\n",
       "0: [-1,1]\n"},
      {"a lone carriage return ends a comment", kOneByOne,
       "; old Mac\r(declare-const X_0 Real)\r(declare-const Y_0 Real); c\r(assert (>= X_0 0))\r"
       "(assert (<= X_0 1))",
       "0: [0,1]\n"},
      {"numbers: exponents, signs, points, minus zero", kTwoByTwo,
       kDeclare22 + "(assert (>= X_0 -1.5E+2))(assert (<= X_0 -0.0))(assert (>= X_1 +.5))"
                    "(assert (<= X_1 5.))(assert (<= Y_0 1e-320))",
       "0: [-150,0] [0.5,5]; 1*Y0 -1e-320 <= 0\n"},
      {"a bound is the double next to the decimal, not a float", kTwoByTwo,
       kDeclare22 + "(assert (>= X_0 0.1))(assert (<= X_0 0.3))(assert (<= X_1 9007199254740993))"
                    "(assert (>= X_1 0.1000000000000000055511151231257827021181583404541015625))",
       "0: [0.1,0.3] [0.1,9007199254740992]\n"},
      {"constants on the left", kTwoByTwo,
       kDeclare22 + "(assert (<= 0 X_0))(assert (>= 1 X_0))(assert (<= 2 X_1))(assert (>= 3.5 X_1))"
                    "(assert (<= 7 Y_0))",
       "0: [0,1] [2,3.5]; -1*Y0 7 <= 0\n"},
      {"scaled bounds", kTwoByTwo,
       kDeclare22 + "(assert (<= (* -1.0 X_0) 0.0))(assert (<= X_0 50.0))"
                    "(assert (<= (* X_1 -2) 3))(assert (<= (* 0.2 X_1) 0.3))",
       "0: [0,50] [-1.5,1.5]\n"},
      {"a bound that is no decimal is rounded outward, with its constraint beside it", kOneByOne,
       kDeclare11 + "(assert (>= X_0 0))(assert (<= (* 3 X_0) 1))",
       fmt::format("0: [0,{}]; 3*X0 -1 <= 0\n", std::nextafter(1.0 / 3, 1.0))},
      {"linear constraint between inputs", kTwoByTwo,
       kDeclare22 + kUnitBox + "(assert (<= (+ (* -1.5 X_1) X_0) 5.0))",
       unit + "; 1*X0 -1.5*X1 -5 <= 0\n"},
      {"inputs and outputs in one constraint", kTwoByTwo,
       kDeclare22 + kUnitBox + "(assert (>= Y_1 (+ X_0 (* 2 Y_0) 0.4)))",
       unit + "; 1*X0 2*Y0 -1*Y1 0.4 <= 0\n"},
      {"arithmetic: nested, unary minus, repeated terms, decimals without drift", kTwoByTwo,
       kDeclare22 + kUnitBox +
           "(assert (<= (- (+ Y_0 1) (- Y_1 2) 0.5) (- (- 3))))"
           "(assert (<= (* 2 (+ Y_0 (* (- 0.5) (+ Y_0 X_0 1))) 3) 0))"
           "(assert (<= (+ (* 0.1 Y_0) (* 0.2 Y_0) (* -0.3 Y_0) Y_1) 0))"
           "(assert (<= (- 5.0 Y_1) (+ 0.1 0.2)))"
           "(assert (>= (- Y_0) (* 2 3)))",
       unit +
           "; 1*Y0 -1*Y1 -0.5 <= 0; -3*X0 3*Y0 -3 <= 0; 1*Y1 <= 0; -1*Y1 4.7 <= 0; 1*Y0 6 <= 0\n"},
      {"equality of outputs is two constraints, of an input a point", kTwoByTwo,
       kDeclare22 + "(assert (= X_0 0.25))(assert (== X_1 1))(assert (= Y_0 Y_1))",
       "0: [0.25,0.25] [1,1]; 1*Y0 -1*Y1 <= 0; -1*Y0 1*Y1 <= 0\n"},
      {"strict comparisons of outputs", kTwoByTwo,
       kDeclare22 + kUnitBox + "(assert (< Y_0 Y_1))(assert (> Y_0 2))",
       unit + "; 1*Y0 -1*Y1 < 0; -1*Y0 2 < 0\n"},
      {"a strict bound of an input closes the box and stays", kOneByOne,
       kDeclare11 + "(assert (> X_0 0))(assert (< X_0 3))", "0: [0,3]; -1*X0 < 0; 1*X0 -3 < 0\n"},
      {"a strict bound outside the box says nothing", kOneByOne,
       kDeclare11 + "(assert (> X_0 0))(assert (>= X_0 1))(assert (<= X_0 2))", "0: [1,2]\n"},
      {"not equal is a choice of two strict ones", kOneByOne,
       kDeclare11 + "(assert (>= X_0 0))(assert (<= X_0 1))(assert (!= Y_0 0.5))",
       "0: [0,1]; 1*Y0 -0.5 < 0\n0: [0,1]; -1*Y0 0.5 < 0\n"},
      {"empty boxes are left out", kOneByOne,
       kDeclare11 + "(assert (>= X_0 0))(assert (<= X_0 1))"
                    "(assert (or (and (>= X_0 2) (<= Y_0 0)) (and (>= X_0 1) (<= Y_0 1))))",
       "0: [1,1]; 1*Y0 -1 <= 0\n"},
      {"an empty input region has no clause", kOneByOne,
       kDeclare11 + "(assert (>= X_0 1))(assert (<= X_0 0))(assert (<= Y_0 0))", ""},
      {"equal bounds written in two ways do not exclude each other", kOneByOne,
       kDeclare11 + "(assert (<= (* 3 X_0) 1))(assert (>= (* 6 X_0) 2))",
       fmt::format("0: [{},{}]; 3*X0 -1 <= 0; -6*X0 2 <= 0\n", std::nextafter(1.0 / 3, 0.0),
                   std::nextafter(1.0 / 3, 1.0))},
      {"true and false by arithmetic", kOneByOne,
       kDeclare11 +
           "(assert (>= X_0 0))(assert (<= X_0 1))(assert (<= 1 2))(assert (<= (- Y_0 Y_0) 0))"
           "(assert (= (+ 0.1 0.2) 0.3))"
           "(assert (or (and (< 1 1) (<= Y_0 0)) (and (<= 1 1) (<= Y_0 1))))",
       "0: [0,1]; 1*Y0 -1 <= 0\n"},
      {"an unbounded input in a disjunct that is empty anyway", kTwoByTwo,
       kDeclare22 + "(assert (or (and (> 0 1) (>= Y_0 0)) (and (>= X_0 0) (<= X_0 1) (= X_1 2))))",
       "0: [0,1] [2,2]\n"},
      {"2.x as converted: blanks in shapes, text behind the parenthesis, units in the shape",
       {{1, 1, 1, 5}, {1, 5}, "float32"},
       "; comment first\n(vnnlib-version <2.0>)\n(declare-network N\n(declare-input  X float32 [1, "
       "1, 1, 5])"
       "(declare-output Y float32 [1, 5])\n); tail\n(assert (and (== X[0,0,0,0] 0.0) (== "
       "X[0,0,0,1] 1.0)"
       "(== X[0,0,0,2] 2.0)))(assert (and (== X[0,0,0,3] 3.0) (== X[0, 0, 0, 4] 4.0 )))"
       "(assert (<= Y[0,4] Y[0,0]))",
       "0: [0,0] [1,1] [2,2] [3,3] [4,4]; -1*Y0 1*Y4 <= 0\n"},
      {"2.x: version without angles, Real, CRLF, flat shapes, names of its own",
       {{1, 2}, {1, 1, 2}, "float32"},
       "(vnnlib-version 2.0)\r\n(declare-network net_1\r\n(declare-input inp Real [2])\r\n"
       "(declare-output out Real [2]))\r\n"
       "(assert (and (>= inp[0] 0.0) (<= inp[0] 1.0) (== inp[1] 5.5e-08)))\r\n"
       "( assert (>= out[1] out[0]))\r\n",
       "0: [0,1] [5.5e-08,5.5e-08]; 1*Y0 -1*Y1 <= 0\n"},
      {"2.x: version 2.1, blanks in the version, no version line", kTwoByTwo,
       "(vnnlib-version < 2.1 >)(declare-network N (declare-input X float32 [2])"
       "(declare-output Y float32 [2]))" +
           kUnitBox2,
       unit + "\n"},
      {"2.x: no version line", kTwoByTwo,
       "(declare-network N (declare-input X float32 [2]) (declare-output Y float32 [2]))" +
           kUnitBox2,
       unit + "\n"},
      {"2.x: version 1.0 announces the old language", kOneByOne,
       "(vnnlib-version <1.0>)" + kDeclare11 + "(assert (= X_0 1))", "0: [1,1]\n"},
      {"2.x: row-major indices",
       {{2, 3}, {2, 2}, "float32"},
       "(vnnlib-version <2.0>)(declare-network N (declare-input X float32 [2,3])"
       "(declare-output Y float32 [2,2]))(assert (and (== X[0,0] 0.0) (== X[0,1] 1.0) (== X[0,2] "
       "2.0)"
       "(== X[1,0] 3.0) (== X[1,1] 4.0) (== X[1,2] 5.0)))(assert (<= Y[1,0] Y[0,1]))",
       "0: [0,0] [1,1] [2,2] [3,3] [4,4] [5,5]; -1*Y1 1*Y2 <= 0\n"},
      {"2.x: scalars",
       {{1}, {}, "float64"},
       "(vnnlib-version <2.0>)(declare-network s (declare-input X float64 []) (declare-output S "
       "float64 [ ]))"
       "(assert (and (>= X 0.0) (<= X 1.0)))(assert (>= S 1.9))",
       "0: [0,1]; -1*Y0 1.9 <= 0\n"},
      {"2.x: index rank below the declared rank",
       {{1, 2, 1}, {1, 1}, "float32"},
       "(vnnlib-version <2.0>)(declare-network N (declare-input X real [1,2,1])"
       "(declare-output Y real [1,1]))(assert (and (>= X[0,0] 0.0) (<= X[0] 1.0) (== X[1] 2.0)))"
       "(assert (and (<= Y[0] 0.0) (<= Y 1.0)))",
       "0: [0,1] [2,2]; 1*Y0 <= 0; 1*Y0 -1 <= 0\n"},
      {"2.x: == and != and comparisons with both sides constant", kTwoByTwo,
       kNetwork22 + kUnitBox2 + "(assert (!= Y[0] 0.0))(assert (== Y[1] 1.0))(assert (<= 1.0 2.0))",
       unit + "; 1*Y1 -1 <= 0; -1*Y1 1 <= 0; 1*Y0 < 0\n" + unit +
           "; 1*Y1 -1 <= 0; -1*Y1 1 <= 0; -1*Y0 < 0\n"},
  };
}

TEST(Vnnlib, NormalForms) {
  for (const Case& test : normal_forms()) {
    SCOPED_TRACE(test.name);
    try {
      EXPECT_EQ(show(parse_vnnlib(test.text, test.signature)), test.expected);
    } catch (const Error& error) {
      ADD_FAILURE() << error.what();
    }
  }
}

TEST(Vnnlib, VariablesAreKeptAsDeclared) {
  const Property old = parse_vnnlib(kDeclare22 + kUnitBox, {{1, 2}, {2, 1}, "float32"});
  EXPECT_EQ(old.vnnlib_major, 1);
  EXPECT_EQ(old.inputs, 2);
  EXPECT_EQ(old.outputs, 2);
  EXPECT_EQ(old.input.name + old.input.type + old.output.name + old.output.type, "XRealYReal");
  EXPECT_EQ(old.input.shape, (std::vector<long long>{2}));
  const Property property = parse_vnnlib(
      "(vnnlib-version <2.0>)(declare-network net (declare-input in float64 [2])"
      "(declare-output out float64 [2,1]))(assert (and (== in[0] 0.0) (== in[1] 0.0)))",
      {{1, 2}, {2, 1}, "float64"});
  EXPECT_EQ(property.vnnlib_major, 2);
  EXPECT_EQ(property.network, "net");
  EXPECT_EQ(property.input.name + property.input.type, "infloat64");
  EXPECT_EQ(property.input.shape, (std::vector<long long>{2}));
  EXPECT_EQ(property.output.name + property.output.type, "outfloat64");
  EXPECT_EQ(property.output.shape, (std::vector<long long>{2, 1}));
}

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

// --- a direct evaluation of random formulas ---

// Integers small enough that all arithmetic below is exact, in both evaluations.
struct RandomFormula {
  std::string text;
  std::function<bool(const std::vector<double>&)> holds;  ///< at inputs, then outputs
};

class Generator {
 public:
  explicit Generator(unsigned seed) : random_(seed) {}

  int below(int limit) { return static_cast<int>(random_() % static_cast<unsigned>(limit)); }

  RandomFormula formula(int depth) {
    if (depth == 0 || below(3) == 0) return comparison();
    const bool conjunction = below(2) == 0;
    std::vector<RandomFormula> parts;
    for (int i = below(3); i >= 0; --i) parts.push_back(formula(depth - 1));
    RandomFormula result{conjunction ? "(and" : "(or", {}};
    for (const RandomFormula& part : parts) result.text += " " + part.text;
    result.text += ")";
    result.holds = [=](const std::vector<double>& point) {
      const auto part_holds = [&](const RandomFormula& part) { return part.holds(point); };
      return conjunction ? std::all_of(parts.begin(), parts.end(), part_holds)
                         : std::any_of(parts.begin(), parts.end(), part_holds);
    };
    return result;
  }

 private:
  using Value = std::function<double(const std::vector<double>&)>;

  std::pair<std::string, Value> expression(int depth) {
    const int choice = below(depth == 0 ? 3 : 6);
    if (choice == 0) {
      const double number = (below(13) - 6) / 2.0;
      return {fmt::format("{}", number), [=](const auto&) { return number; }};
    }
    if (choice < 3) {
      const std::size_t variable = static_cast<std::size_t>(below(4));
      return {fmt::format("{}_{}", variable < 2 ? 'X' : 'Y', variable % 2),
              [=](const auto& point) { return point[variable]; }};
    }
    auto [left, left_value] = expression(depth - 1);
    if (choice == 3) {
      const double factor = (below(9) - 4) / 2.0;
      const bool behind = below(2) == 0;
      return {
          behind ? fmt::format("(* {} {})", left, factor) : fmt::format("(* {} {})", factor, left),
          [=, value = left_value](const auto& point) { return factor * value(point); }};
    }
    if (choice == 4 && below(3) == 0) {
      return {"(- " + left + ")",
              [value = left_value](const auto& point) { return -value(point); }};
    }
    auto [right, right_value] = expression(depth - 1);
    const double sign = choice == 4 ? -1 : 1;
    return {fmt::format("({} {} {})", choice == 4 ? '-' : '+', left, right),
            [=, a = left_value, b = right_value](const auto& point) {
              return a(point) + sign * b(point);
            }};
  }

  RandomFormula comparison() {
    static const std::vector<std::pair<const char*, std::function<bool(double, double)>>>
        kRelations = {{"<=", std::less_equal<>()}, {">=", std::greater_equal<>()},
                      {"<", std::less<>()},        {">", std::greater<>()},
                      {"=", std::equal_to<>()},    {"!=", std::not_equal_to<>()}};
    const auto [left, a] = expression(below(3));
    const auto [right, b] = expression(below(3));
    const auto& [symbol, relation] = kRelations[static_cast<std::size_t>(below(6))];
    return {fmt::format("({} {} {})", symbol, left, right),
            [a = a, b = b, relation = relation](const auto& point) {
              return relation(a(point), b(point));
            }};
  }

  std::mt19937 random_;
};

bool holds(const Constraint& constraint, const std::vector<double>& point) {
  double sum = constraint.constant;
  for (const Term& term : constraint.inputs) {
    sum += term.coefficient * point[static_cast<std::size_t>(term.index)];
  }
  for (const Term& term : constraint.outputs) {
    sum += term.coefficient * point[static_cast<std::size_t>(term.index) + 2];
  }
  return constraint.strict ? sum < 0 : sum <= 0;
}

bool holds(const Property& property, const std::vector<double>& point) {
  return std::any_of(property.clauses.begin(), property.clauses.end(), [&](const Clause& clause) {
    const Box& box = property.boxes[static_cast<std::size_t>(clause.box)];
    for (std::size_t i = 0; i < 2; ++i) {
      if (point[i] < box.lower[i] || point[i] > box.upper[i]) return false;
    }
    return std::all_of(clause.constraints.begin(), clause.constraints.end(),
                       [&](const Constraint& constraint) { return holds(constraint, point); });
  });
}

TEST(Vnnlib, RandomFormulasMeanTheSame) {
  Generator generator(1);
  int satisfied = 0;
  for (int round = 0; round < 4000; ++round) {
    const RandomFormula formula = generator.formula(4);
    std::string text = kDeclare22 + "(assert " + formula.text + ")";
    for (const int i : {0, 1})
      text += fmt::format("(assert (<= -3 X_{0}))(assert (<= X_{0} 3))", i);
    SCOPED_TRACE(text);
    const Property property = parse_vnnlib(text, kTwoByTwo);
    for (int sample = 0; sample < 60; ++sample) {
      std::vector<double> point(4);
      for (double& x : point) x = (generator.below(17) - 8) / 2.0;
      const bool inside = std::abs(point[0]) <= 3 && std::abs(point[1]) <= 3;
      const bool expected = inside && formula.holds(point);
      satisfied += expected ? 1 : 0;
      ASSERT_EQ(holds(property, point), expected)
          << fmt::format("{} {} {} {}\n", point[0], point[1], point[2], point[3]) << show(property);
    }
    for (const Clause& clause : property.clauses) {
      for (const Constraint& constraint : clause.constraints) {
        for (const auto* terms : {&constraint.inputs, &constraint.outputs}) {
          for (std::size_t i = 0; i < terms->size(); ++i) {
            ASSERT_NE((*terms)[i].coefficient, 0);
            if (i == 0) continue;
            ASSERT_LT((*terms)[i - 1].index, (*terms)[i].index);
          }
        }
      }
    }
    for (std::size_t a = 0; a < property.boxes.size(); ++a) {
      for (std::size_t b = a + 1; b < property.boxes.size(); ++b) {
        ASSERT_FALSE(property.boxes[a].lower == property.boxes[b].lower &&
                     property.boxes[a].upper == property.boxes[b].upper)
            << "equal boxes";
      }
    }
  }
  EXPECT_GT(satisfied, 10'000);
}

// --- sizes ---

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

// --- decimals ---

TEST(Decimal, ReadsLikeStrtod) {
  for (const char* text :
       {"0", "-0", "0.1", "1e22", "1e23", "123456789012345678", "5e-324", "1e-400",
        "2.2250738585072014e-308", "1.7976931348623157e308", "0e999", "3.", ".25",
        "-0.1000000000000000055511151231257827021181583404541015625",
        "0.000000000000000000000000000000000000000000000001",
        "100000000000000000000000000000000000000000000000000.5"}) {
    Decimal value;
    EXPECT_EQ(Decimal::parse(text, value), "") << text;
    EXPECT_EQ(value.to_double(), std::strtod(text, nullptr)) << text;
    EXPECT_TRUE(value.rounds_right()) << text;
  }
  for (const char* text :
       {"", "-", ".", "e5", "1e", "1e+", "1 ", " 1", "1.2.3", "0x1", "1e400", "-1e309",
        "1e99999999999999999999", "1e-99999999999999999999", "1f", "--1", "+-1"}) {
    Decimal value;
    EXPECT_NE(Decimal::parse(text, value), "") << text;
  }
}

TEST(Decimal, ArithmeticIsExactAndRoundsOnce) {
  const auto decimal = [](const char* text) {
    Decimal value;
    EXPECT_EQ(Decimal::parse(text, value), "");
    return value;
  };
  EXPECT_EQ((decimal("0.1") + decimal("0.2")).to_double(), 0.3);
  EXPECT_TRUE((decimal("0.1") + decimal("0.2") + decimal("-0.3")).is_zero());
  EXPECT_EQ((decimal("1.1") * decimal("1.1")).to_double(), 1.21);
  EXPECT_EQ((decimal("1e200") * decimal("1e200")).to_double(), INFINITY);
  EXPECT_EQ((decimal("1e-200") * decimal("1e-200")).to_double(), 0.0);
  EXPECT_EQ(Decimal::quotient(decimal("0.3"), decimal("0.2"))->to_double(), 1.5);
  EXPECT_FALSE(Decimal::quotient(decimal("1"), decimal("3")).has_value());
  // Beyond 128 bits: near, and it says so.
  const Decimal wide = decimal("1e30") + decimal("1e-30");
  EXPECT_FALSE(wide.rounds_right());
  EXPECT_FALSE(wide.sign().has_value());
  EXPECT_EQ(wide.to_double(), 1e30);
}

// --- files ---

// A folder that goes with the test.
class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "coronet-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  [[nodiscard]] std::string file(const std::string& name) const { return (path_ / name).string(); }
  [[nodiscard]] std::size_t count() const {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(path_), {}));
  }

 private:
  std::filesystem::path path_;
};

// gzip of "hello", without the dependence on a packer
const std::string kPacked(
    "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xcb\x48\xcd\xc9\xc9\x07\x00\x86\xa6\x10\x36\x05\x00"
    "\x00\x00",
    25);

TEST(File, PlainPackedAndFallback) {
  const Folder folder;
  write_file(folder.file("plain"), "a\nb");
  EXPECT_EQ(read_file(folder.file("plain")), "a\nb");
  write_file(folder.file("packed"), kPacked);
  EXPECT_EQ(read_file(folder.file("packed")), "hello");
  write_file(folder.file("twice"), kPacked + kPacked + std::string(512, '\0'));
  EXPECT_EQ(read_file(folder.file("twice")), "hellohello");
  write_file(folder.file("only.gz"), kPacked);
  EXPECT_EQ(read_file(folder.file("only")), "hello");
  write_file(folder.file("not-packed.gz"), "text");
  EXPECT_EQ(read_file(folder.file("not-packed")), "text");
  write_file(folder.file("empty"), "");
  EXPECT_EQ(read_file(folder.file("empty")), "");
}

TEST(File, CorruptAndMissingFilesAreNamed) {
  const Folder folder;
  for (std::size_t length = 2; length < kPacked.size(); ++length) {
    write_file(folder.file("cut"), kPacked.substr(0, length));
    EXPECT_THROW(read_file(folder.file("cut")), Error) << length;
  }
  write_file(folder.file("tail"), kPacked + "x");
  std::string wrong = kPacked;
  wrong[12] ^= 1;
  write_file(folder.file("wrong"), wrong);
  for (const char* name : {"tail", "wrong", "missing", "."}) {
    try {
      read_file(folder.file(name));
      ADD_FAILURE() << name;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kBadInput);
      EXPECT_EQ(std::string(error.what()).rfind(folder.file(name), 0), 0U) << error.what();
    }
  }
}

TEST(File, WritingReplacesAndLeavesNothingBehind) {
  const Folder folder;
  write_file(folder.file("out"), std::string(100'000, 'x'));
  write_file(folder.file("out"), "short");
  EXPECT_EQ(read_file(folder.file("out")), "short");
  std::filesystem::create_symlink("out", folder.file("link"));
  write_file(folder.file("link"), "through");
  EXPECT_EQ(read_file(folder.file("out")), "through");
  EXPECT_TRUE(std::filesystem::is_symlink(folder.file("link")));
  EXPECT_THROW(write_file(folder.file("no/such/folder"), "x"), Error);
  write_file("/dev/null", "x");
  EXPECT_FALSE(std::filesystem::is_regular_file("/dev/null"));
  EXPECT_EQ(folder.count(), 2U);
}

TEST(File, ReadVnnlibNamesTheFile) {
  const Folder folder;
  write_file(folder.file("p.vnnlib"), "(foo)");
  try {
    read_vnnlib(folder.file("p.vnnlib"), kOneByOne);
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("p.vnnlib: line 1, column 2: "), std::string::npos);
  }
}

// --- the queries of the competitions ---

// The numbers of a shape "1, 5]"; a 0, which no network has, becomes 1.
std::vector<long long> extents(const std::string& text, std::size_t at) {
  std::vector<long long> found;
  for (bool inside = false; at < text.size() && text[at] != ']'; ++at) {
    const bool digit = text[at] >= '0' && text[at] <= '9';
    if (digit && !inside) found.push_back(0);
    if (digit) found.back() = 10 * found.back() + (text[at] - '0');
    inside = digit;
  }
  std::replace(found.begin(), found.end(), 0LL, 1LL);
  return found;
}

// The network that a query seems to be for.
Signature guess_signature(const std::string& text) {
  const auto count = [&](const std::string& name) {
    long long found = 0;
    for (const char* declare : {"(declare-const ", "(declare-fun "}) {
      const std::string start = declare + name;
      for (std::size_t at = text.find(start); at != std::string::npos;
           at = text.find(start, at + 1)) {
        ++found;
      }
    }
    return found;
  };
  Signature signature{{count("X_")}, {count("Y_")}, "float32"};
  const auto declared = [&](const char* what, std::vector<long long>& shape) {
    const std::size_t at = text.find(what);
    const std::size_t bracket = text.find('[', at);
    if (at == std::string::npos || bracket == std::string::npos) return;
    shape = extents(text, bracket);
    if (text.substr(at, bracket - at).find("float64") != std::string::npos) {
      signature.element_type = "float64";
    }
  };
  declared("declare-input", signature.input_shape);
  declared("declare-output", signature.output_shape);
  return signature;
}

// Those of the samples that show what is refused.
bool is_refused(const std::string& path) {
  for (const char* part :
       {"acc_nonlinear", "isomorphic_acasxu", "monotonic_acasxu", "2.0/hidden", "2.0/input_output",
        "2.0/mio", "2.0/not_equal", "2.0/polynomial", "quirks/acc_version", "quirks/leftover",
        "quirks/monotonic", "quirks/v1_doubled", "standard_syntax/initialized",
        "standard_syntax/multiple_networks"}) {
    if (path.find(part) != std::string::npos) return true;
  }
  return false;
}

TEST(Vnnlib, QueriesOfTheCompetitions) {
  const char* shared = std::getenv("CORONET_SHARED");
  if (shared == nullptr) return;
  int read = 0;
  for (const char* folder : {"vnncomp", "vnnlib2-samples", "procedural"}) {
    const std::filesystem::path root = std::filesystem::path(shared) / folder;
    if (!std::filesystem::is_directory(root)) continue;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
      const std::string path = entry.path().string();
      if (!entry.is_regular_file() ||
          !(path.ends_with(".vnnlib") || path.ends_with(".vnnlib.gz"))) {
        continue;
      }
      SCOPED_TRACE(path);
      ++read;
      try {
        const Property property = read_vnnlib(path, guess_signature(read_file(path)));
        EXPECT_FALSE(is_refused(path));
        // The standard's own test of arithmetic contradicts itself; all others ask something.
        EXPECT_EQ(property.clauses.empty(), path.find("test_linearise") != std::string::npos);
      } catch (const Error& error) {
        EXPECT_TRUE(is_refused(path)) << error.what();
        EXPECT_NE(std::string(error.what()).find(": line "), std::string::npos) << error.what();
      }
    }
  }
  EXPECT_GT(read, 0);
}

}  // namespace
}  // namespace coronet
