// How many ranks this run has, and which one this process is.
#pragma once

#include <functional>
#include <string>

#include "base/options.h"
#include "comm/channel.h"
#include "comm/tcp.h"

namespace coronet::cli {

struct Launch {
  enum class By {
    kNobody,   ///< one rank
    kThreads,  ///< --ranks: the ranks are threads of this process
    kTcp,      ///< RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT
    kMpi,      ///< mpirun, or srun with an MPI
  };
  By by = By::kNobody;
  int rank = 0;
  int ranks = 1;
  comm::TcpSettings tcp;
};

/// From --ranks and the environment. Throws Error(kBadInput) where they contradict each other or a
/// variable is malformed or missing, and for --device cuda with ranks, which bound rows on CPUs.
Launch launch_of(const Options& options,
                 const std::function<const char*(const char* name)>& environment);
/// Of this process.
Launch launch_of(const Options& options);

/// A rank's work. `options`: with the threads that are this rank's share.
using Lead = std::function<void(comm::Channel* ranks, const Options& options)>;
using Serve = std::function<void(comm::Channel& ranks, const Options& options)>;

/// Leads, and serves as the other ranks where they are threads. As rank 0 only. What either throws
/// ends all ranks and is thrown on. `lead` gets null where there are no others.
void run_leading(const Launch& launch, const Options& options, const Lead& lead,
                 const Serve& serve);

/// As a process that is another rank than 0: serves, says nothing but its own errors, and returns
/// the exit code. That the leader leaves before it has ended (at a signal, or when the time is out)
/// is no error.
int run_serving(const Launch& launch, const Options& options, const Serve& serve);

}  // namespace coronet::cli
