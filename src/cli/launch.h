// The command line on several ranks.
#pragma once

#include <functional>

#include "base/options.h"
#include "comm/channel.h"
#include "comm/launch.h"
#include "spec/mesh.h"

namespace coronet::cli {

/// How this process was started, from --ranks and its environment; see comm::launch_of, whose
/// errors it throws.
comm::Launch launch_of(const Options& options);

/// How the ranks are arranged: as --mesh says, else (and with auto) all share rows. Throws
/// Error(kBadInput) where the mesh has not as many ranks, or shares what they cannot.
Mesh mesh_of(const Options& options, const comm::Launch& launch);

/// NCCL_NVLS_ENABLE=0 in the environment, before there are threads: NCCL reads it once, and what it
/// would do with NVLink's multicast is for sums that it forms itself, of which there are none.
void keep_nccl_from_multicast();

/// A rank's work. `options`: with the threads and the GPU that are this rank's share.
using Lead = std::function<void(comm::Channel* ranks, const Options& options)>;
using Serve = std::function<void(comm::Channel& ranks, const Options& options)>;

/// Leads, and serves as the other ranks where they are threads. As rank 0 only. What either throws
/// ends all ranks and is thrown on. `lead` gets null where there are no others.
void run_leading(const comm::Launch& launch, const Options& options, const Lead& lead,
                 const Serve& serve);

/// As a process that is another rank than 0: serves, says nothing but its own errors, and returns
/// the exit code. That the leader leaves before it has ended (at a signal, or when the time is out)
/// is no error.
int run_serving(const comm::Launch& launch, const Options& options, const Serve& serve);

}  // namespace coronet::cli
