// What the program's exit code tells; the README has the table.
#pragma once

#include "base/error.h"

namespace coronet::cli {

enum ExitCode : int {
  kDecided = 0,
  kInternal = 1,
  kBadInput = 2,
  kUnsupported = 3,
  kOutOfMemory = 4,
  kRankFailed = 5,
  kUnknown = 10,
  kTimeout = 11,
};

inline ExitCode exit_code(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kBadInput:
      return kBadInput;
    case ErrorKind::kUnsupported:
      return kUnsupported;
    case ErrorKind::kOutOfMemory:
      return kOutOfMemory;
    case ErrorKind::kRank:
      return kRankFailed;
    case ErrorKind::kInternal:
      return kInternal;
  }
  return kInternal;
}

}  // namespace coronet::cli
