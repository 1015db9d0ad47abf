// How many ranks a run has, and which one this process is.
#pragma once

#include <functional>

#include "comm/tcp.h"

namespace coronet::comm {

struct Launch {
  enum class By {
    kNobody,   ///< one rank
    kThreads,  ///< the ranks are threads of this process
    kTcp,      ///< RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT; srun without PMIx
    kMpi,      ///< mpirun, or srun with PMIx
  };
  By by = By::kNobody;
  int rank = 0;
  int ranks = 1;
  TcpSettings tcp;
};

/// The value of a variable, or null.
using Environment = std::function<const char*(const char* name)>;

/// From what launchers set, and how many ranks the user wants (0: no wish; as threads, where no
/// launcher has started them; 1: alone, whatever has started this process). Throws Error(kBadInput)
/// where the two contradict each other, or a variable is malformed or missing.
Launch launch_of(int wanted, const Environment& environment);

}  // namespace coronet::comm
