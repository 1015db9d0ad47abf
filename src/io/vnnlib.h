// VNN-LIB 1.0 (as the competitions use it) and 2.x for one network, read into one Property.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "spec/property.h"

namespace coronet {

/// What the property must fit: the model's one input and one output.
struct Signature {
  std::vector<long long> input_shape;
  std::vector<long long> output_shape;
  std::string element_type;  ///< "float32" or "float64"
};

/// Parses a query. Throws Error(kBadInput) with "line L, column C: ..." for what is malformed or
/// does not fit the signature, Error(kUnsupported) (same form) for what is well-formed but outside
/// the supported language. Nothing is ever dropped.
Property parse_vnnlib(std::string_view text, const Signature& signature);

/// Reads `path`, or `path`.gz where only that exists; gzip is recognised by its magic number.
Property read_vnnlib(const std::string& path, const Signature& signature);

}  // namespace coronet
