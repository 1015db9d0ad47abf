// VNN-LIB into normal form: texts with the property expected of them, and random formulas against a
// direct evaluation.
#include "io/vnnlib.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "vnnlib_texts.h"

namespace coronet {
namespace {

using test::kDeclare11;
using test::kDeclare22;
using test::kNetwork22;
using test::kOneByOne;
using test::kTwoByTwo;
using test::kUnitBox;
using test::kUnitBox2;
using test::show;

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

}  // namespace
}  // namespace coronet
