// What is asked: does a point exist that lies in a box and satisfies linear constraints over inputs
// and outputs?
#pragma once

#include <string>
#include <vector>

namespace coronet {

/// lower[i] <= X_i <= upper[i]; finite, the double nearest to the decimal of the file.
struct Box {
  std::vector<double> lower;
  std::vector<double> upper;
};

struct Term {
  int index = 0;
  double coefficient = 0;
};

/// sum inputs[k].coefficient * X_{inputs[k].index} + sum outputs[k].coefficient * Y_{...} +
/// constant <= 0 (< 0 if strict). Terms are sorted by index, without duplicates or zero
/// coefficients.
struct Constraint {
  std::vector<Term> inputs;
  std::vector<Term> outputs;
  double constant = 0;
  bool strict = false;
};

/// One way to violate the property: a point of the box at which ALL constraints hold. No constraint
/// at all: any point does.
struct Clause {
  int box = 0;  ///< index into Property::boxes
  std::vector<Constraint> constraints;
};

/// A tensor of the query, for writing a counterexample in the query's own words.
struct Variable {
  std::string name;              ///< "X", "Y" in VNN-LIB 1.0
  std::string type;              ///< as declared: "Real", "float32", ...
  std::vector<long long> shape;  ///< [] is a scalar
};

/// The disjunction of its clauses: `sat` if a point satisfies some clause, `unsat` if none does.
/// Boxes with an empty interval, and clauses that are false by arithmetic alone, are not in it.
struct Property {
  int inputs = 0;
  int outputs = 0;
  std::vector<Box> boxes;
  std::vector<Clause> clauses;
  int vnnlib_major = 1;  ///< 1 or 2: decides how a counterexample is written
  std::string network;   ///< the declared network's name (2.x)
  Variable input;        ///< 2.x: as declared; 1.0: X, Real, [inputs]
  Variable output;
};

}  // namespace coronet
