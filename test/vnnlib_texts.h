// Properties as text, and the texts that the tests of VNN-LIB begin with.
#pragma once

#include <fmt/format.h>

#include <string>

#include "io/vnnlib.h"

namespace coronet::test {

// "0.5*X1 -1*Y0 -3 < 0"
inline std::string show(const Constraint& constraint) {
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
inline std::string show(const Property& property) {
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

inline const Signature kTwoByTwo = {{2}, {2}, "float32"};
inline const Signature kOneByOne = {{1, 1}, {1, 1}, "float32"};

inline const std::string kDeclare11 = "(declare-const X_0 Real)(declare-const Y_0 Real)\n";
inline const std::string kDeclare22 =
    "(declare-const X_0 Real)(declare-const X_1 Real)"
    "(declare-const Y_0 Real)(declare-const Y_1 Real)\n";
inline const std::string kUnitBox =
    "(assert (>= X_0 0))(assert (<= X_0 1))(assert (>= X_1 0))(assert (<= X_1 1))\n";
inline const std::string kNetwork22 =
    "(vnnlib-version <2.0>)(declare-network N (declare-input X float32 [2])"
    "(declare-output Y float32 [2]))\n";
inline const std::string kUnitBox2 =
    "(assert (and (>= X[0] 0.0) (<= X[0] 1.0) (>= X[1] 0.0) (<= X[1] 1.0)))\n";

}  // namespace coronet::test
