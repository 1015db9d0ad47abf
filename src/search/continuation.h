// How a verification is kept for later, taken up again, and interrupted.
#pragma once

#include <atomic>
#include <functional>
#include <optional>

#include "search/checkpoint.h"

namespace coronet::search {

struct Continuation {
  /// Asked between rounds: is the state to be saved now?
  std::function<bool()> due;
  /// Takes the state; null: nothing is kept. Called from the search's thread, when `due` says so
  /// and where the search ends with something open.
  std::function<void(const Checkpoint&)> save;
  /// Where to go on from.
  std::optional<Checkpoint> resume;
  /// Set by anyone, it ends the search at the next round as a deadline does.
  const std::atomic<bool>* interrupted = nullptr;
};

}  // namespace coronet::search
