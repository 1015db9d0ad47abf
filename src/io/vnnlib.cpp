#include "io/vnnlib.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <limits>

#include "base/error.h"
#include "io/file.h"
#include "io/lexer.h"
#include "io/vnnlib_versions.h"
#include "spec/located_error.h"

namespace coronet {
namespace {

// "line L, column C: " of a byte; columns count bytes from 1; lines end with CR LF, LF or CR.
std::string place(std::string_view text, std::size_t offset) {
  std::size_t line = 1;
  std::size_t begin = 0;
  for (std::size_t i = 0; i < offset && i < text.size(); ++i) {
    const bool lone_return = text[i] == '\r' && (i + 1 == text.size() || text[i + 1] != '\n');
    if (text[i] != '\n' && !lone_return) continue;
    ++line;
    begin = i + 1;
  }
  return fmt::format("line {}, column {}: ", line, offset - begin + 1);
}

bool is_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

// Reads (vnnlib-version <2.0>), with or without the angles, up to its ')'. Returns the first number
// of the version.
int version(Lexer& lexer) {
  lexer.next();
  lexer.next();
  const bool angles = lexer.peek().text == "<";
  if (angles) lexer.next();
  const Token number = lexer.expect(TokenKind::kWord, "a version such as <2.0>");
  const std::size_t point = number.text.find('.');
  if (point == std::string_view::npos || !is_digits(number.text.substr(0, point)) ||
      !is_digits(number.text.substr(point + 1))) {
    bad_input(number, fmt::format("expected a version such as <2.0>, found {}", describe(number)));
  }
  if (angles && lexer.next().text != ">") bad_input(number, "the '<' of the version is not closed");
  lexer.expect(TokenKind::kClose, "')'");
  const std::string_view major = number.text.substr(0, point);
  if (major != "1" && major != "2") {
    unsupported(number, fmt::format("VNN-LIB version {} is not supported: 1.0 and 2.x are",
                                    describe(number)));
  }
  return major == "2" ? 2 : 1;
}

Property parse(std::string_view text, const Signature& signature) {
  Lexer lexer(text);
  Lexer ahead = lexer;
  ahead.next();
  const std::string_view first = ahead.peek().text;
  int major = first == "declare-network" ? 2 : 1;
  if (first == "vnnlib-version") major = version(lexer);
  return major == 2 ? parse_vnnlib2(lexer, signature) : parse_vnnlib1(lexer, signature);
}

}  // namespace

int element_count(const std::vector<long long>& shape) {
  long long count = 1;
  for (const long long extent : shape) {
    if (extent < 1 || extent > std::numeric_limits<int>::max() / count) return -1;
    count *= extent;
  }
  return static_cast<int>(count);
}

std::string shape_text(const std::vector<long long>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ","));
}

Property parse_vnnlib(std::string_view text, const Signature& signature) {
  for (const auto* shape : {&signature.input_shape, &signature.output_shape}) {
    if (element_count(*shape) < 1 || element_count(*shape) > std::numeric_limits<int>::max() / 2) {
      throw Error(ErrorKind::kUnsupported,
                  "a query needs a network of fixed shape; this one has " + shape_text(*shape));
    }
  }
  try {
    return parse(text, signature);
  } catch (const LocatedError& error) {
    throw Error(error.kind(), place(text, error.offset()) + error.what());
  }
}

Property read_vnnlib(const std::string& path, const Signature& signature) {
  const std::string text = read_file(path);
  try {
    return parse_vnnlib(text, signature);
  } catch (const Error& error) {
    throw Error(error.kind(), path + ": " + error.what());
  }
}

}  // namespace coronet
