// VNN-LIB 2.x for one network with one input and one output.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "io/assertion.h"
#include "io/vnnlib_versions.h"
#include "spec/formula.h"
#include "spec/normalize.h"

namespace coronet {
namespace {

constexpr std::array<std::string_view, 23> kTypes = {
    "float16",        "float32",        "float64",    "bfloat16", "float8e4m3fn", "float8e5m2",
    "float8e4m3fnuz", "float8e5m2fnuz", "float4e2m1", "int8",     "int16",        "int32",
    "int64",          "uint8",          "uint16",     "uint32",   "uint64",       "bool",
    "complex64",      "complex128",     "real",       "Real",     "string"};

bool is_real(std::string_view type) { return type == "real" || type == "Real"; }

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

std::vector<long long> without_units(const std::vector<long long>& shape) {
  std::vector<long long> kept;
  std::copy_if(shape.begin(), shape.end(), std::back_inserter(kept),
               [](long long extent) { return extent != 1; });
  return kept;
}

// Whether the row-major elements of a declared tensor are those of the model's: equal shapes but
// for ones, or either is flat.
bool same_elements(const std::vector<long long>& declared, const std::vector<long long>& model) {
  const std::vector<long long> a = without_units(declared);
  const std::vector<long long> b = without_units(model);
  return element_count(declared) == element_count(model) &&
         (a == b || a.size() <= 1 || b.size() <= 1);
}

// Which dimensions an index of `rank` numbers speaks of: all, the last ones where those before are
// 1, or those that are not 1.
std::optional<std::vector<long long>> indexed_shape(const std::vector<long long>& shape,
                                                    std::size_t rank) {
  if (rank > shape.size()) return std::nullopt;
  const auto suffix = shape.end() - static_cast<std::ptrdiff_t>(rank);
  if (std::all_of(shape.begin(), suffix, [](long long extent) { return extent == 1; })) {
    return std::vector<long long>(suffix, shape.end());
  }
  std::vector<long long> kept = without_units(shape);
  if (kept.size() == rank) return kept;
  return std::nullopt;
}

class Reader final : public VariableNames {
 public:
  Reader(Lexer& lexer, const Signature& signature) : lexer_(lexer), signature_(signature) {
    property_.inputs = element_count(signature.input_shape);
    property_.outputs = element_count(signature.output_shape);
    property_.vnnlib_major = 2;
  }

  Property read() {
    network();
    AssertionReader assertions(lexer_, *this, property_.inputs, builder_);
    while (lexer_.peek().kind != TokenKind::kEnd) statement(assertions);
    normalize(
        builder_.finish(), [this](int i) { return input_reference(i); }, property_);
    return std::move(property_);
  }

  int variable(const Token& name, Lexer& lexer) override {
    const bool input = name.text == property_.input.name;
    if (!input && name.text != property_.output.name) {
      const bool old = name.text.starts_with("X_") || name.text.starts_with("Y_");
      bad_input(name, fmt::format("unknown variable {}{}", describe(name),
                                  old ? ": VNN-LIB 2.x writes elements as X[0]" : ""));
    }
    const Variable& tensor = input ? property_.input : property_.output;
    read_indices(lexer);
    const std::optional<std::vector<long long>> shape =
        indexed_shape(tensor.shape, indices_.size());
    if (!shape) {
      bad_input(name, fmt::format("{} has {} indices here, its shape is {}", describe(name),
                                  indices_.size(), shape_text(tensor.shape)));
    }
    long long flat = 0;
    for (std::size_t i = 0; i < indices_.size(); ++i) {
      if (indices_[i].value >= (*shape)[i]) {
        bad_input(indices_[i].token, fmt::format("index {} is out of range: the shape of {} is {}",
                                                 describe(indices_[i].token), describe(name),
                                                 shape_text(tensor.shape)));
      }
      flat = flat * (*shape)[i] + indices_[i].value;
    }
    return static_cast<int>(flat) + (input ? 0 : property_.inputs);
  }

 private:
  struct Index {
    long long value;
    Token token;
  };

  Token open_statement() {
    open_ = lexer_.expect(TokenKind::kOpen, "'('");
    return lexer_.next();
  }

  void close_statement(const Token& open) {
    if (lexer_.peek().kind == TokenKind::kEnd) bad_input(open, "the parenthesis is never closed");
    lexer_.expect(TokenKind::kClose, "')'");
  }

  void network() {
    const Token head = open_statement();
    const Token open = open_;
    if (head.text != "declare-network") {
      bad_input(head, fmt::format("expected declare-network, found {}", describe(head)));
    }
    property_.network = new_name();
    Token part = open_statement();
    if (part.text == "equal-to" || part.text == "isomorphic-to") several_networks(part);
    variable_declaration(part, "declare-input", signature_.input_shape, property_.input);
    part = open_statement();
    if (part.text == "declare-input") unsupported(part, "several inputs are not supported");
    if (part.text == "declare-hidden") unsupported(part, "hidden nodes are not supported");
    variable_declaration(part, "declare-output", signature_.output_shape, property_.output);
    if (lexer_.peek().kind == TokenKind::kOpen) {
      part = open_statement();
      if (part.text == "declare-output") unsupported(part, "several outputs are not supported");
      bad_input(part, fmt::format("expected the end of the network, found {}", describe(part)));
    }
    close_statement(open);
  }

  [[noreturn]] static void several_networks(const Token& at) {
    unsupported(at, fmt::format("several networks are not supported ({})", describe(at)));
  }

  void variable_declaration(const Token& head, std::string_view expected,
                            const std::vector<long long>& model_shape, Variable& variable) {
    const Token open = open_;
    if (head.text != expected) {
      bad_input(head, fmt::format("expected {}, found {}", expected, describe(head)));
    }
    if (expected == "declare-input") input_ = lexer_.peek();
    variable.name = new_name();
    const Token type = lexer_.expect(TokenKind::kWord, "an element type such as float32");
    check_type(type);
    variable.type = type.text;
    const Token bracket = lexer_.peek();
    variable.shape = shape();
    if (!same_elements(variable.shape, model_shape)) {
      bad_input(bracket, fmt::format("{} has shape {}, the network's {} has {}", variable.name,
                                     shape_text(variable.shape),
                                     expected == "declare-input" ? "input" : "output",
                                     shape_text(model_shape)));
    }
    if (lexer_.peek().text == "initialized") {
      unsupported(lexer_.peek(), "initialized inputs are not supported");
    }
    close_statement(open);
  }

  void check_type(const Token& type) const {
    if (std::find(kTypes.begin(), kTypes.end(), type.text) == kTypes.end()) {
      bad_input(type, fmt::format("unknown element type {}", describe(type)));
    }
    if (!is_real(type.text) && type.text != signature_.element_type) {
      bad_input(type, fmt::format("the query declares {}, the network computes in {}",
                                  describe(type), signature_.element_type));
    }
    const std::string& before = property_.input.type;
    if (!before.empty() && is_real(before) != is_real(type.text)) {
      bad_input(type, fmt::format("the input is {}, the output {}: a query has one element type",
                                  before, describe(type)));
    }
  }

  std::string new_name() {
    const Token name = lexer_.expect(TokenKind::kWord, "a name");
    const bool valid =
        is_letter(name.text[0]) && std::all_of(name.text.begin(), name.text.end(), [](char c) {
          return is_letter(c) || (c >= '0' && c <= '9') || c == '_';
        });
    if (!valid) bad_input(name, fmt::format("{} is not a name", describe(name)));
    if (name.text == property_.network || name.text == property_.input.name) {
      bad_input(name, fmt::format("{} is declared twice", describe(name)));
    }
    return std::string(name.text);
  }

  Index number(const char* what) {
    const Token token = lexer_.expect(TokenKind::kWord, what);
    Index index{0, token};
    const char* end = token.text.data() + token.text.size();
    const auto [stop, error] = std::from_chars(token.text.data(), end, index.value);
    if (error != std::errc() || stop != end || token.text[0] == '-') {
      bad_input(token, fmt::format("expected {}, found {}", what, describe(token)));
    }
    return index;
  }

  std::vector<long long> shape() {
    std::vector<long long> extents;
    lexer_.expect(TokenKind::kOpenBracket, "a shape such as [1,5]");
    if (lexer_.accept(TokenKind::kCloseBracket)) return extents;
    do {
      const Index extent = number("a dimension");
      if (extent.value < 1) bad_input(extent.token, "a dimension is at least 1");
      extents.push_back(extent.value);
    } while (lexer_.accept(TokenKind::kComma));
    lexer_.expect(TokenKind::kCloseBracket, "']'");
    return extents;
  }

  void read_indices(Lexer& lexer) {
    indices_.clear();
    if (!lexer.accept(TokenKind::kOpenBracket)) return;
    do {
      indices_.push_back(number("an index"));
    } while (lexer.accept(TokenKind::kComma));
    lexer.expect(TokenKind::kCloseBracket, "']'");
  }

  void statement(AssertionReader& assertions) {
    const Token head = open_statement();
    const Token open = open_;
    if (head.text == "declare-network") several_networks(head);
    if (head.text == "declare-fun" || head.text == "declare-const") {
      bad_input(head, fmt::format("{} belongs to VNN-LIB 1.0", describe(head)));
    }
    if (head.text != "assert") {
      bad_input(head, fmt::format("expected assert, found {}", describe(head)));
    }
    assertions.formula();
    close_statement(open);
  }

  [[nodiscard]] InputReference input_reference(int number) const {
    std::vector<long long> indices(property_.input.shape.size());
    long long rest = number;
    for (std::size_t i = indices.size(); i-- > 0;) {
      indices[i] = rest % property_.input.shape[i];
      rest /= property_.input.shape[i];
    }
    return {property_.input.name + (indices.empty() ? "" : shape_text(indices)), input_.offset};
  }

  Lexer& lexer_;
  const Signature& signature_;
  FormulaBuilder builder_;
  Property property_;
  Token open_;   ///< parenthesis of the statement begun last
  Token input_;  ///< where the input's name is declared
  std::vector<Index> indices_;
};

}  // namespace

Property parse_vnnlib2(Lexer& lexer, const Signature& signature) {
  return Reader(lexer, signature).read();
}

}  // namespace coronet
