// Any bytes into the VNN-LIB reader: a property in normal form or an Error, never anything else.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "io/vnnlib.h"

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

void check_terms(const std::vector<coronet::Term>& terms, int count) {
  int last = -1;
  for (const coronet::Term& term : terms) {
    require(term.index > last && term.index < count);
    require(std::isfinite(term.coefficient) && term.coefficient != 0);
    last = term.index;
  }
}

void check(const coronet::Property& property) {
  const auto inputs = static_cast<std::size_t>(property.inputs);
  for (const coronet::Box& box : property.boxes) {
    require(box.lower.size() == inputs && box.upper.size() == inputs);
    for (std::size_t i = 0; i < inputs; ++i) {
      require(std::isfinite(box.lower[i]) && std::isfinite(box.upper[i]) &&
              box.lower[i] <= box.upper[i]);
    }
  }
  for (const coronet::Clause& clause : property.clauses) {
    require(clause.box >= 0 && static_cast<std::size_t>(clause.box) < property.boxes.size());
    for (const coronet::Constraint& constraint : clause.constraints) {
      check_terms(constraint.inputs, property.inputs);
      check_terms(constraint.outputs, property.outputs);
      require(!constraint.inputs.empty() || !constraint.outputs.empty());
      require(std::isfinite(constraint.constant));
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    check(coronet::parse_vnnlib(text, {{1, 2}, {2}, "float32"}));
  } catch (const coronet::Error& error) {
    require(error.kind() == coronet::ErrorKind::kBadInput ||
            error.kind() == coronet::ErrorKind::kUnsupported);
    require(std::string_view(error.what()).starts_with("line "));
  }
  return 0;
}
