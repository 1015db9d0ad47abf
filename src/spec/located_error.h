// An error at a byte of a query's text; parse_vnnlib turns the byte into a line and a column.
#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>

#include "base/error.h"

namespace coronet {

/// Thrown between the reader's own files only: lines are counted once, where the error leaves them.
class LocatedError : public std::runtime_error {
 public:
  LocatedError(ErrorKind kind, std::size_t offset, const std::string& message)
      : std::runtime_error(message), kind_(kind), offset_(offset) {}
  [[nodiscard]] ErrorKind kind() const { return kind_; }
  [[nodiscard]] std::size_t offset() const { return offset_; }

 private:
  ErrorKind kind_;
  std::size_t offset_;
};

}  // namespace coronet
