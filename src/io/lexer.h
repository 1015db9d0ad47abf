// The tokens of VNN-LIB 1.0 and 2.x, one at a time, without copies.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/error.h"

namespace coronet {

enum class TokenKind {
  kOpen,          ///< (
  kClose,         ///< )
  kOpenBracket,   ///< [
  kCloseBracket,  ///< ]
  kComma,
  kRelation,  ///< a run of < > = !
  kWord,      ///< names, numbers, + - *
  kString,    ///< "...", with its quotes
  kEnd,
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  std::string_view text;
  std::size_t offset = 0;
};

/// A token as error messages show it: in quotes, shortened, without control characters; "the end of
/// the file".
std::string describe(const Token& token);

[[noreturn]] void bad_input(const Token& at, const std::string& message);
[[noreturn]] void unsupported(const Token& at, const std::string& message);

class Lexer {
 public:
  explicit Lexer(std::string_view text);

  /// The token after what was read, left where it is.
  [[nodiscard]] const Token& peek() const { return ahead_; }
  Token next();
  /// The next token, which must be of this kind; `what` says what was expected, for the error.
  Token expect(TokenKind kind, const char* what);
  /// Reads the next token if it is of this kind.
  bool accept(TokenKind kind);

 private:
  void scan();

  std::string_view text_;
  std::size_t at_ = 0;
  Token ahead_;
};

}  // namespace coronet
