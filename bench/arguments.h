// Options of src/base/options.def on the command lines of the benchmarks.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <sstream>
#include <string>
#include <type_traits>

#include "base/error.h"
#include "base/options.h"

namespace coronet::bench {

template <class T>
void read_value(const std::string& name, const std::string& text, T& value) {
  std::istringstream stream(text);
  if constexpr (std::is_same_v<T, bool>) stream >> std::boolalpha;
  if (!(stream >> value) || stream.peek() != std::istringstream::traits_type::eof()) {
    throw Error(ErrorKind::kBadInput, fmt::format("{}: '{}' is not a value of it", name, text));
  }
}

/// The word behind the flag argv[i], which it moves on to.
inline std::string value_behind(int argc, char** argv, int& i) {
  if (i + 1 >= argc) {
    throw Error(ErrorKind::kBadInput,
                std::string(argv[i]) + ": a value is missing, or there is no such flag");
  }
  return argv[++i];
}

/// Sets the option that a flag names.
inline void set_option(const std::string& flag, const std::string& text, Options& options) {
  std::string word = flag.substr(2);
  std::replace(word.begin(), word.end(), '-', '_');
#define OPTION(type, name, default_value, group, help) \
  if (word == #name) {                                 \
    read_value(flag, text, options.name);              \
    return;                                            \
  }
#include "base/options.def"
#undef OPTION
  throw Error(ErrorKind::kBadInput, flag + ": there is no such option");
}

}  // namespace coronet::bench
