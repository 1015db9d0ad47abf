// How ranks fail: together, and saying which one was first and why.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "base/error.h"

namespace coronet::comm {

/// What ended a rank, as the others are told.
struct Failure {
  int rank = 0;  ///< of the whole run
  ErrorKind kind = ErrorKind::kRank;
  std::string what;
};

/// What a rank said of its failure: a number of an ErrorKind, and words.
inline Failure told_failure(int from, int kind, std::span<const std::byte> words) {
  const bool known = kind >= 0 && kind <= static_cast<int>(ErrorKind::kInternal);
  return {from,
          known ? static_cast<ErrorKind>(kind) : ErrorKind::kInternal,
          {reinterpret_cast<const char*>(words.data()), words.size()}};
}

/// Thrown where a rank waits for one that has left on purpose, having told so.
class RankLeft : public Error {
 public:
  explicit RankLeft(const std::string& message) : Error(ErrorKind::kRank, message) {}
};

}  // namespace coronet::comm
