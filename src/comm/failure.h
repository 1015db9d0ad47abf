// How ranks fail: together, and saying which one was first and why.
#pragma once

#include <string>

#include "base/error.h"

namespace coronet::comm {

/// What ended a rank, as the others are told.
struct Failure {
  int rank = 0;  ///< of the whole run
  ErrorKind kind = ErrorKind::kRank;
  std::string what;
};

/// Thrown where a rank waits for one that has left on purpose, having told so.
class RankLeft : public Error {
 public:
  explicit RankLeft(const std::string& message) : Error(ErrorKind::kRank, message) {}
};

}  // namespace coronet::comm
