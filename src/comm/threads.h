// Ranks as threads of one process: for tests, debuggers and sanitizers, and where there is no
// launcher.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "comm/channel.h"

namespace coronet::comm {

/// The ends of `count` ranks in this process, at least 1; each for the thread that is that rank.
/// They may outlive each other. One rank alone is a run as well.
std::vector<std::unique_ptr<Channel>> thread_channels(int count);

/// Runs f(channel) as every rank at once, rank 0 in the calling thread, and returns when all have
/// ended. What a rank throws fails them all; the first such exception is rethrown here, unless
/// rank 0 itself threw: then that one.
void run_threads(std::vector<std::unique_ptr<Channel>> channels,
                 const std::function<void(Channel&)>& f);

}  // namespace coronet::comm
