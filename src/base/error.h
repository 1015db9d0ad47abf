// Errors that cross module borders: what went wrong, where, and what to do about it.
#pragma once

#include <stdexcept>
#include <string>

namespace coronet {

/// The kinds that a caller (and the exit code of the command line) tells apart.
enum class ErrorKind {
  kBadInput,     ///< malformed file, wrong option, property that does not fit the network
  kUnsupported,  ///< well-formed, but outside what Coronet can analyse soundly
  kOutOfMemory,  ///< does not fit into --memory; the message names the tensor and its bytes
  kRank,         ///< another rank ended, or cannot be reached; the message names it
  kInternal,     ///< a broken invariant of Coronet itself: never a verdict
};

/// Thrown by the library; it never prints, exits or aborts.
class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}
  [[nodiscard]] ErrorKind kind() const { return kind_; }

 private:
  ErrorKind kind_;
};

}  // namespace coronet
