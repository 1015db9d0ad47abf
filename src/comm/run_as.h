// A rank's work, whose failure is that of all.
#pragma once

#include <functional>

#include "comm/channel.h"

namespace coronet::comm {

/// Runs f; what it throws fails all ranks with its kind and words, and is thrown on; but RankLeft
/// is thrown on alone.
void run_as(Channel& channel, const std::function<void(Channel&)>& f);

}  // namespace coronet::comm
