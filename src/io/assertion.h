// The formulas inside (assert ...), which VNN-LIB 1.0 and 2.x share but for the names of the
// variables.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "io/lexer.h"
#include "spec/comparison.h"
#include "spec/formula.h"

namespace coronet {

/// What a version of the language calls its variables.
class VariableNames {
 public:
  virtual ~VariableNames() = default;

  /// The number of the variable `name` (inputs from 0, then outputs), reading its indices from
  /// `lexer` where it has any.
  virtual int variable(const Token& name, Lexer& lexer) = 0;
};

/// Reads formulas into a tree, iteratively: the depth of the nesting is not limited.
class AssertionReader {
 public:
  AssertionReader(Lexer& lexer, VariableNames& names, int inputs, FormulaBuilder& builder)
      : lexer_(lexer), names_(names), inputs_(inputs), builder_(builder) {}

  /// Reads one formula; what was asserted before holds as well.
  void formula();

 private:
  /// An open (+ ...), (- ...) or (* ...).
  struct Operation {
    char symbol;
    bool negated;           ///< subtracted from the sum it stands in
    bool variable = false;  ///< '*': a factor has variables; its terms are terms_[begin, operand)
    std::size_t operands = 0;
    std::size_t begin;    ///< first of its terms
    std::size_t operand;  ///< '*': first term of the operand being read
    Decimal product{1};   ///< '*': of the constant factors
    Token open{};
  };

  void comparison(const Token& relation);
  void expression(bool negated);
  void open_operation(const Token& open, bool negated);
  void close_operation(const Token& close);
  void leaf(const Token& word, bool negated);
  void factor();
  [[nodiscard]] bool operand_negated(bool outermost) const;
  void charge(std::size_t terms, const Token& at);

  Lexer& lexer_;
  VariableNames& names_;
  int inputs_;
  FormulaBuilder& builder_;
  std::vector<LinearTerm> terms_;      ///< of the comparison being read: left minus right
  std::vector<Operation> operations_;  ///< open ones, innermost last
  std::uint64_t work_ = 0;             ///< terms touched again by products and unary minus
};

}  // namespace coronet
