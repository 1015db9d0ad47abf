// Whole files, gzip or not.
#pragma once

#include <string>

namespace coronet {

/// The bytes of `path`, or of `path`.gz where only that exists; unpacked if they begin with gzip's
/// magic number. Throws Error(kBadInput) naming the path where it cannot be read or is corrupt.
std::string read_file(const std::string& path);

/// Writes `bytes` to a temporary file beside `path` and renames it over `path`: never half a file.
void write_file(const std::string& path, const std::string& bytes);

}  // namespace coronet
