// Ranks as processes that an MPI launcher started.
#pragma once

#include <memory>
#include <string>

#include "comm/channel.h"

namespace coronet::comm {

/// Loads the module that this build made for its MPI, named here by its path, and starts MPI; once
/// in a process. A run that failed ends by MPI_Abort some seconds after the channel is given up:
/// the launcher then ends whoever still waits. Throws Error(kUnsupported) where the module cannot
/// be loaded or its MPI serves one thread only.
std::unique_ptr<Channel> join_mpi(const std::string& module);

}  // namespace coronet::comm
