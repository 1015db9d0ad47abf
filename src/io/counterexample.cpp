#include "io/counterexample.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstddef>
#include <iterator>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace coronet {
namespace {

void check_size(const std::vector<double>& values, int count, const char* what) {
  if (values.size() == static_cast<std::size_t>(count)) return;
  throw Error(ErrorKind::kInternal, fmt::format("counterexample with {} {} for a query with {}",
                                                values.size(), what, count));
}

// The shortest digits that read back as the same double, with a point or an exponent: VNN-LIB
// tells 1.0 from an integer.
void append_value(fmt::memory_buffer& text, double value) {
  const std::size_t begin = text.size();
  fmt::format_to(std::back_inserter(text), "{}", value);
  const std::string_view digits(text.data() + begin, text.size() - begin);
  if (digits.find_first_not_of("-0123456789") != std::string_view::npos) return;
  text.push_back('.');
  text.push_back('0');
}

void append_pairs(fmt::memory_buffer& text, char name, const std::vector<double>& values) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (text.size() > 1) text.push_back('\n');
    fmt::format_to(std::back_inserter(text), "({}_{} ", name, i);
    append_value(text, values[i]);
    text.push_back(')');
  }
}

void append_tensor(fmt::memory_buffer& text, const Variable& variable,
                   const std::vector<double>& values) {
  fmt::format_to(std::back_inserter(text), "{} {} [{}]\n", variable.name, variable.type,
                 fmt::join(variable.shape, ","));
  for (const double value : values) {
    append_value(text, value);
    text.push_back('\n');
  }
}

}  // namespace

std::string format_counterexample(const Property& property, const Counterexample& counterexample) {
  check_size(counterexample.input, property.inputs, "inputs");
  check_size(counterexample.output, property.outputs, "outputs");
  fmt::memory_buffer text;
  if (property.vnnlib_major >= 2) {
    append_tensor(text, property.input, counterexample.input);
    append_tensor(text, property.output, counterexample.output);
    return fmt::to_string(text);
  }
  text.push_back('(');
  append_pairs(text, 'X', counterexample.input);
  append_pairs(text, 'Y', counterexample.output);
  return fmt::to_string(text) + ")\n";
}

}  // namespace coronet
