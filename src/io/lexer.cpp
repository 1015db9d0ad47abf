#include "io/lexer.h"

#include <fmt/format.h>

#include "spec/located_error.h"

namespace coronet {
namespace {

bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

bool is_relation(char c) { return c == '<' || c == '>' || c == '=' || c == '!'; }

bool is_word(char c) {
  return !is_blank(c) && !is_relation(c) && c != '(' && c != ')' && c != '[' && c != ']' &&
         c != ',' && c != ';' && c != '"';
}

}  // namespace

std::string describe(const Token& token) {
  if (token.kind == TokenKind::kEnd) return "the end of the file";
  constexpr std::size_t kShown = 40;
  std::string shown = "'";
  for (const char c : token.text.substr(0, kShown)) shown += c >= ' ' && c <= '~' ? c : '?';
  return shown + (token.text.size() > kShown ? "...'" : "'");
}

void bad_input(const Token& at, const std::string& message) {
  throw LocatedError(ErrorKind::kBadInput, at.offset, message);
}

void unsupported(const Token& at, const std::string& message) {
  throw LocatedError(ErrorKind::kUnsupported, at.offset, message);
}

Lexer::Lexer(std::string_view text) : text_(text) {
  if (text_.starts_with("\xEF\xBB\xBF")) at_ = 3;  // a byte order mark
  scan();
}

Token Lexer::next() {
  const Token token = ahead_;
  scan();
  return token;
}

Token Lexer::expect(TokenKind kind, const char* what) {
  if (ahead_.kind != kind) {
    bad_input(ahead_, fmt::format("expected {}, found {}", what, describe(ahead_)));
  }
  return next();
}

bool Lexer::accept(TokenKind kind) {
  if (ahead_.kind != kind) return false;
  scan();
  return true;
}

void Lexer::scan() {
  const std::size_t size = text_.size();
  while (at_ < size && (is_blank(text_[at_]) || text_[at_] == ';')) {
    // A lone carriage return ends a comment too: where it ends lines, nothing behind a comment may
    // get lost.
    if (text_[at_] == ';') {
      while (at_ < size && text_[at_] != '\n' && text_[at_] != '\r') ++at_;
    } else {
      ++at_;
    }
  }
  const std::size_t begin = at_;
  ahead_ = {TokenKind::kEnd, {}, begin};
  if (at_ == size) return;
  const char c = text_[at_++];
  switch (c) {
    case '(':
      ahead_.kind = TokenKind::kOpen;
      break;
    case ')':
      ahead_.kind = TokenKind::kClose;
      break;
    case '[':
      ahead_.kind = TokenKind::kOpenBracket;
      break;
    case ']':
      ahead_.kind = TokenKind::kCloseBracket;
      break;
    case ',':
      ahead_.kind = TokenKind::kComma;
      break;
    case '"':
      ahead_.kind = TokenKind::kString;
      while (at_ < size && text_[at_] != '"') at_ += text_[at_] == '\\' && at_ + 1 < size ? 2 : 1;
      if (at_ == size) bad_input(ahead_, "the string is never closed");
      ++at_;
      break;
    default:
      ahead_.kind = is_relation(c) ? TokenKind::kRelation : TokenKind::kWord;
      while (at_ < size && (is_relation(c) ? is_relation(text_[at_]) : is_word(text_[at_]))) ++at_;
  }
  ahead_.text = text_.substr(begin, at_ - begin);
}

}  // namespace coronet
