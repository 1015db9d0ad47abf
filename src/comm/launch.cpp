#include "comm/launch.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cstring>
#include <limits>

#include "base/error.h"

namespace coronet::comm {

namespace {

int number_of(const Environment& environment, const char* name, int least, int most) {
  const char* text = environment(name);
  if (text == nullptr) {
    throw Error(ErrorKind::kBadInput,
                fmt::format("a launcher has set how many ranks there are, and not {}: for TCP, set "
                            "RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT, or none to run alone",
                            name));
  }
  int value = 0;
  const char* end = text + std::strlen(text);
  const auto [at, error] = std::from_chars(text, end, value);
  if (error != std::errc() || at != end || value < least || value > most) {
    throw Error(ErrorKind::kBadInput, fmt::format("the environment's {} is '{}': it should be a "
                                                  "number from {} to {}",
                                                  name, text, least, most));
  }
  return value;
}

constexpr int kMostRanks = 4096;

}  // namespace

Launch launch_of(int wanted, const Environment& environment) {
  Launch launch;
  const auto by_mpi = [&](const char* size, const char* rank) {
    launch.by = Launch::By::kMpi;
    launch.ranks = number_of(environment, size, 1, kMostRanks);
    launch.rank = number_of(environment, rank, 0, launch.ranks - 1);
  };
  // What Slurm's srun and MPICH's mpirun set comes after TCP's variables, which a user may give to
  // srun's tasks.
  if (environment("OMPI_COMM_WORLD_SIZE") != nullptr) {
    by_mpi("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK");
  } else if (environment("WORLD_SIZE") != nullptr) {
    launch.by = Launch::By::kTcp;
    launch.ranks = number_of(environment, "WORLD_SIZE", 1, kMostRanks);
    launch.rank = number_of(environment, "RANK", 0, launch.ranks - 1);
    launch.tcp.rank = launch.rank;
    launch.tcp.size = launch.ranks;
    if (launch.ranks > 1) {
      // torchrun listens on the port itself, and says so.
      const bool taken = environment("TORCHELASTIC_RUN_ID") != nullptr;
      launch.tcp.port = static_cast<std::uint16_t>(
          number_of(environment, "MASTER_PORT", 1, std::numeric_limits<std::uint16_t>::max() - 1) +
          (taken ? 1 : 0));
      const char* host = environment("MASTER_ADDR");
      launch.tcp.host = host != nullptr ? host : "localhost";
    }
  } else if (environment("PMI_SIZE") != nullptr) {
    by_mpi("PMI_SIZE", "PMI_RANK");
  } else if (environment("PMIX_RANK") != nullptr &&
             environment("SLURM_STEP_NUM_TASKS") != nullptr) {
    by_mpi("SLURM_STEP_NUM_TASKS", "SLURM_PROCID");
  }
  if (launch.ranks == 1) launch = {};
  if (wanted > 0 && launch.ranks > 1 && wanted != launch.ranks) {
    throw Error(ErrorKind::kBadInput, fmt::format("--ranks {}, but a launcher has started {} ranks",
                                                  wanted, launch.ranks));
  }
  if (wanted > kMostRanks) {
    throw Error(ErrorKind::kBadInput, fmt::format("--ranks: at most {}", kMostRanks));
  }
  if (wanted > 1 && launch.ranks == 1) {
    launch.by = Launch::By::kThreads;
    launch.ranks = wanted;
  }
  return launch;
}

}  // namespace coronet::comm
