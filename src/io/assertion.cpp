#include "io/assertion.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>

namespace coronet {
namespace {

// Products and unary minus multiply the terms inside them once for each level: cheap unless
// somebody means harm.
constexpr std::uint64_t kMostWork = 1'000'000'000;

bool looks_like_number(std::string_view word) {
  const std::size_t sign = word[0] == '-' || word[0] == '+' ? 1 : 0;
  if (word.size() <= sign) return false;
  return (word[sign] >= '0' && word[sign] <= '9') || word[sign] == '.';
}

bool is_not_finite(std::string_view word) {
  if (word[0] == '-' || word[0] == '+') word.remove_prefix(1);
  std::string lower(word.substr(0, 9));
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return lower == "inf" || lower == "infinity" || lower == "nan";
}

std::optional<Relation> relation_of(std::string_view text) {
  if (text == "<=") return Relation::kLessEqual;
  if (text == ">=") return Relation::kGreaterEqual;
  if (text == "<") return Relation::kLess;
  if (text == ">") return Relation::kGreater;
  if (text == "=" || text == "==") return Relation::kEqual;
  if (text == "!=") return Relation::kNotEqual;
  return std::nullopt;
}

bool is_one_of(std::string_view word, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

}  // namespace

void AssertionReader::formula() {
  std::vector<Token> open;  // the parentheses of the connectives around what is read
  do {
    const Token parenthesis = lexer_.next();
    if (parenthesis.kind == TokenKind::kWord && is_one_of(parenthesis.text, {"true", "false"})) {
      unsupported(parenthesis, "the constants true and false are not supported");
    }
    if (parenthesis.kind != TokenKind::kOpen) {
      bad_input(parenthesis,
                fmt::format("expected a formula in parentheses, found {}", describe(parenthesis)));
    }
    const Token head = lexer_.next();
    if (head.text == "and" || head.text == "or") {
      builder_.open(head.text == "and" ? NodeKind::kAnd : NodeKind::kOr, parenthesis.offset);
      open.push_back(parenthesis);
      if (lexer_.peek().kind == TokenKind::kClose) {
        bad_input(lexer_.peek(), fmt::format("'{}' needs at least one operand", head.text));
      }
      continue;
    }
    comparison(head);
    while (!open.empty() && lexer_.accept(TokenKind::kClose)) {
      builder_.close();
      open.pop_back();
    }
    if (!open.empty() && lexer_.peek().kind == TokenKind::kEnd) {
      bad_input(open.back(), "the parenthesis is never closed");
    }
  } while (!open.empty());
}

void AssertionReader::comparison(const Token& relation) {
  if (relation.text == "=>" || (relation.kind == TokenKind::kWord &&
                                is_one_of(relation.text, {"not", "implies", "xor", "ite", "let",
                                                          "distinct", "forall", "exists"}))) {
    unsupported(relation, fmt::format("{} is not supported: only and, or and comparisons are",
                                      describe(relation)));
  }
  const std::optional<Relation> kind =
      relation.kind == TokenKind::kRelation ? relation_of(relation.text) : std::nullopt;
  if (!kind) {
    const Token& after = lexer_.peek();
    const bool infix = relation.kind == TokenKind::kWord && (after.kind == TokenKind::kRelation ||
                                                             after.kind == TokenKind::kOpenBracket);
    bad_input(relation,
              fmt::format("expected and, or or a comparison, found {}{}", describe(relation),
                          infix ? ": the comparison comes first, as in (< a b)" : ""));
  }
  terms_.clear();
  for (const bool right : {false, true}) {
    if (lexer_.peek().kind == TokenKind::kClose) {
      bad_input(lexer_.peek(), "a comparison takes two operands");
    }
    expression(right);
  }
  if (lexer_.peek().kind != TokenKind::kClose && lexer_.peek().kind != TokenKind::kEnd) {
    bad_input(lexer_.peek(), fmt::format("a comparison takes two operands, found {} behind them",
                                         describe(lexer_.peek())));
  }
  lexer_.expect(TokenKind::kClose, "')'");
  add_comparison(builder_, terms_, *kind, inputs_, relation.offset);
}

// Whether the operand that comes next is subtracted. The first one of (- a b) is not; (- a) is
// turned when it closes.
bool AssertionReader::operand_negated(bool outermost) const {
  if (operations_.empty()) return outermost;
  const Operation& around = operations_.back();
  if (around.symbol == '*') return false;  // a product takes its sign when it closes
  return around.negated != (around.symbol == '-' && around.operands > 0);
}

void AssertionReader::expression(bool negated) {
  operations_.clear();
  do {
    const Token token = lexer_.next();
    if (token.kind == TokenKind::kOpen) {
      open_operation(token, operand_negated(negated));
      continue;
    }
    if (token.kind == TokenKind::kWord) {
      leaf(token, operand_negated(negated));
    } else if (token.kind == TokenKind::kClose && !operations_.empty()) {
      close_operation(token);
    } else {
      bad_input(token,
                fmt::format("expected a number, a variable or '(', found {}", describe(token)));
    }
    if (!operations_.empty()) {
      if (operations_.back().symbol == '*') factor();
      ++operations_.back().operands;
    }
  } while (!operations_.empty());
}

void AssertionReader::open_operation(const Token& open, bool negated) {
  const Token head = lexer_.next();
  if (head.kind != TokenKind::kWord || !is_one_of(head.text, {"+", "-", "*"})) {
    if (head.kind == TokenKind::kWord &&
        is_one_of(head.text, {"/", "ite", "abs", "^", "pow", "div", "mod", "let", "max", "min"})) {
      unsupported(head, fmt::format("{} is not supported: only +, - and * are", describe(head)));
    }
    const bool number = head.kind == TokenKind::kWord && looks_like_number(head.text);
    bad_input(head, fmt::format("expected +, - or *, found {}{}", describe(head),
                                number ? ": parentheses around operands?" : ""));
  }
  Operation operation{};
  operation.symbol = head.text[0];
  operation.negated = negated;
  operation.begin = operation.operand = terms_.size();
  operation.open = open;
  operations_.push_back(operation);
}

void AssertionReader::leaf(const Token& word, bool negated) {
  LinearTerm term{kConstantTerm, Decimal(1)};
  if (looks_like_number(word.text)) {
    const std::string_view error = Decimal::parse(word.text, term.coefficient);
    if (!error.empty()) bad_input(word, fmt::format("{}: {}", error, describe(word)));
  } else if (is_not_finite(word.text)) {
    bad_input(word, fmt::format("{} is not a finite number", describe(word)));
  } else {
    term.variable = names_.variable(word, lexer_);
  }
  if (negated) term.coefficient = -term.coefficient;
  terms_.push_back(term);
}

// Takes the operand just read into the product around it.
void AssertionReader::factor() {
  Operation& product = operations_.back();
  charge(terms_.size() - product.operand, product.open);
  const auto begin = terms_.begin() + static_cast<std::ptrdiff_t>(product.operand);
  if (std::any_of(begin, terms_.end(),
                  [](const LinearTerm& term) { return term.variable != kConstantTerm; })) {
    if (product.variable) {
      unsupported(product.open, "product of variables: only linear constraints are supported");
    }
    product.variable = true;
  } else {
    Decimal sum;
    for (auto term = begin; term != terms_.end(); ++term) sum = sum + term->coefficient;
    product.product = product.product * sum;
    terms_.resize(product.operand);
  }
  product.operand = terms_.size();
}

void AssertionReader::close_operation(const Token& close) {
  const Operation operation = operations_.back();
  if (operation.operands == 0) {
    bad_input(close, fmt::format("'{}' needs at least one operand", operation.symbol));
  }
  operations_.pop_back();
  const bool product = operation.symbol == '*';
  if (!product && !(operation.symbol == '-' && operation.operands == 1)) return;

  Decimal scale = product ? operation.product : Decimal(-1);
  if (product && operation.negated) scale = -scale;
  if (product && !operation.variable) terms_.push_back({kConstantTerm, Decimal(1)});
  charge(terms_.size() - operation.begin, operation.open);
  for (std::size_t i = operation.begin; i < terms_.size(); ++i) {
    terms_[i].coefficient = terms_[i].coefficient * scale;
  }
}

void AssertionReader::charge(std::size_t terms, const Token& at) {
  work_ += terms;
  if (work_ > kMostWork) unsupported(at, "sums too deep in products");
}

}  // namespace coronet
