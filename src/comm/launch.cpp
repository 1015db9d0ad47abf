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
                fmt::format("WORLD_SIZE is set, and {} is not: a launcher sets RANK, WORLD_SIZE, "
                            "MASTER_ADDR and MASTER_PORT (unset WORLD_SIZE to run alone)",
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

/// What the launchers of Open MPI, of MPICH (and of Slurm by PMI-2), set for their processes.
constexpr std::array<std::array<const char*, 2>, 2> kMpiVariables{
    {{"OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"}, {"PMI_SIZE", "PMI_RANK"}}};

constexpr int kMostRanks = 4096;

}  // namespace

Launch launch_of(int wanted, const Environment& environment) {
  Launch launch;
  for (const auto& [size, rank] : kMpiVariables) {
    if (environment(size) == nullptr || launch.by == Launch::By::kMpi) continue;
    launch.by = Launch::By::kMpi;
    launch.ranks = number_of(environment, size, 1, kMostRanks);
    launch.rank = number_of(environment, rank, 0, launch.ranks - 1);
  }
  if (launch.by == Launch::By::kNobody && environment("WORLD_SIZE") != nullptr) {
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
