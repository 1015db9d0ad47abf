// VNN-LIB 1.0: inputs X_0, X_1, ..., outputs Y_0, Y_1, ..., each declared on its own, in any order.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <limits>
#include <vector>

#include "io/assertion.h"
#include "io/vnnlib_versions.h"
#include "spec/formula.h"
#include "spec/normalize.h"

namespace coronet {
namespace {

constexpr std::size_t kNowhere = std::numeric_limits<std::size_t>::max();

class Reader final : public VariableNames {
 public:
  Reader(Lexer& lexer, const Signature& signature)
      : lexer_(lexer),
        inputs_(element_count(signature.input_shape)),
        outputs_(element_count(signature.output_shape)),
        declared_(static_cast<std::size_t>(inputs_) + static_cast<std::size_t>(outputs_), kNowhere),
        used_(declared_) {}

  Property read() {
    AssertionReader assertions(lexer_, *this, inputs_, builder_);
    while (lexer_.peek().kind != TokenKind::kEnd) statement(assertions);
    check_declarations();

    Property property;
    property.inputs = inputs_;
    property.outputs = outputs_;
    property.vnnlib_major = 1;
    property.input = {"X", "Real", {inputs_}};
    property.output = {"Y", "Real", {outputs_}};
    const auto input = [this](int i) {
      return InputReference{fmt::format("X_{}", i), declared_[static_cast<std::size_t>(i)]};
    };
    normalize(builder_.finish(), input, property);
    return property;
  }

  int variable(const Token& name, Lexer&) override {
    const int number = find(name);
    std::size_t& used = used_[static_cast<std::size_t>(number)];
    if (used == kNowhere) used = name.offset;
    return number;
  }

 private:
  void statement(AssertionReader& assertions) {
    const Token open = lexer_.expect(TokenKind::kOpen, "'('");
    const Token head = lexer_.next();
    if (head.text == "assert") {
      assertions.formula();
    } else if (head.text == "declare-const" || head.text == "declare-fun") {
      declaration(head);
    } else if (head.text == "vnnlib-version" || head.text == "declare-network") {
      bad_input(head, fmt::format("{} must come before all else", describe(head)));
    } else if (head.kind == TokenKind::kWord) {
      unsupported(head, fmt::format("the command {} is not supported", describe(head)));
    } else {
      bad_input(head, fmt::format("expected declare-const, declare-fun or assert, found {}",
                                  describe(head)));
    }
    if (lexer_.peek().kind == TokenKind::kEnd) bad_input(open, "the parenthesis is never closed");
    lexer_.expect(TokenKind::kClose, "')'");
  }

  void declaration(const Token& head) {
    const Token name = lexer_.expect(TokenKind::kWord, "a name such as X_0");
    if (head.text == "declare-fun") {
      lexer_.expect(TokenKind::kOpen, "'()'");
      if (lexer_.peek().kind == TokenKind::kWord) {
        unsupported(lexer_.peek(), "functions with parameters are not supported");
      }
      lexer_.expect(TokenKind::kClose, "'()'");
    }
    const Token type = lexer_.expect(TokenKind::kWord, "the type Real");
    if (type.text != "Real") {
      unsupported(type,
                  fmt::format("type {} is not supported: VNN-LIB 1.0 has Real", describe(type)));
    }
    std::size_t& declared = declared_[static_cast<std::size_t>(find(name))];
    if (declared != kNowhere) {
      bad_input(name, fmt::format("{} is declared twice", describe(name)));
    }
    declared = name.offset;
    (name.text[0] == 'X' ? last_input_ : last_output_) = name;
  }

  // The number of X_i or Y_j.
  int find(const Token& name) const {
    const std::string_view text = name.text;
    const bool input = text.starts_with("X_");
    int index = 0;
    const auto [end, error] = std::from_chars(text.data() + std::min<std::size_t>(2, text.size()),
                                              text.data() + text.size(), index);
    const bool number = text.size() > 2 && text[2] != '-' && end == text.data() + text.size() &&
                        error != std::errc::invalid_argument &&
                        (text[2] != '0' || text.size() == 3);
    if (!number || (!input && !text.starts_with("Y_"))) {
      bad_input(name,
                fmt::format("unknown name {}: inputs are X_0, X_1, ..., outputs Y_0, Y_1, ...",
                            describe(name)));
    }
    const int count = input ? inputs_ : outputs_;
    if (error == std::errc::result_out_of_range || index >= count) {
      bad_input(name, fmt::format("{} is out of range: the network has {} {}", describe(name),
                                  count, input ? "inputs" : "outputs"));
    }
    return input ? index : inputs_ + index;
  }

  void check_declarations() const {
    std::size_t first = kNowhere;
    for (std::size_t i = 0; i < used_.size(); ++i) {
      if (declared_[i] == kNowhere && used_[i] < first) first = used_[i];
    }
    if (first != kNowhere) {
      bad_input({TokenKind::kWord, {}, first}, "the variable is used but not declared");
    }
    check_count(0, inputs_, "inputs", last_input_);
    check_count(inputs_, outputs_, "outputs", last_output_);
  }

  void check_count(int begin, int count, const char* what, const Token& last) const {
    int declared = 0;
    for (int i = begin; i < begin + count; ++i) {
      declared += declared_[static_cast<std::size_t>(i)] != kNowhere ? 1 : 0;
    }
    if (declared == count) return;
    bad_input(last, fmt::format("{} {} are declared, the network has {}", declared, what, count));
  }

  Lexer& lexer_;
  const int inputs_;
  const int outputs_;
  FormulaBuilder builder_;
  std::vector<std::size_t> declared_;  ///< where, for each input and then each output
  std::vector<std::size_t> used_;      ///< where first
  Token last_input_;
  Token last_output_;
};

}  // namespace

Property parse_vnnlib1(Lexer& lexer, const Signature& signature) {
  return Reader(lexer, signature).read();
}

}  // namespace coronet
