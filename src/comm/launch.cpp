#include "comm/launch.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <string_view>

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
constexpr int kMostPort = std::numeric_limits<std::uint16_t>::max();

/// The first host of Slurm's list: node03 of "node[03-07,12],login".
std::string first_host(std::string_view list) {
  std::string host;
  for (std::size_t at = 0; at < list.size() && list[at] != ','; ++at) {
    if (list[at] != '[') {
      host += list[at];
      continue;
    }
    const std::size_t end = std::min(list.find(']', at), list.size());
    const std::string_view inside = list.substr(at + 1, end - at - 1);
    host += inside.substr(0, inside.find_first_of(",-"));
    at = end;
  }
  return host;
}

/// Tasks of one srun that no MPI serves. Task 0 is on the first node of the step. Steps have ports
/// of their own, below those that systems give to clients.
TcpSettings tcp_of_slurm(const Environment& environment) {
  TcpSettings tcp;
  tcp.size = number_of(environment, "SLURM_STEP_NUM_TASKS", 1, kMostRanks);
  tcp.rank = number_of(environment, "SLURM_PROCID", 0, tcp.size - 1);
  if (const char* host = environment("MASTER_ADDR"); host != nullptr) {
    tcp.host = host;
  } else if (const char* nodes = environment("SLURM_STEP_NODELIST"); nodes != nullptr) {
    tcp.host = first_host(nodes);
  } else {
    tcp.host = "localhost";
  }
  if (environment("MASTER_PORT") != nullptr) {
    tcp.port = static_cast<std::uint16_t>(number_of(environment, "MASTER_PORT", 1, kMostPort));
  } else {
    constexpr int kMost = std::numeric_limits<int>::max();
    const auto job = static_cast<std::uint64_t>(number_of(environment, "SLURM_JOB_ID", 0, kMost));
    const auto step = static_cast<std::uint64_t>(number_of(environment, "SLURM_STEP_ID", 0, kMost));
    constexpr int kFirstPort = 20000;
    constexpr int kPorts = 12000;
    tcp.port = static_cast<std::uint16_t>(kFirstPort + (job * 7 + step) % kPorts);
  }
  return tcp;
}

}  // namespace

Launch launch_of(int wanted, const Environment& environment) {
  Launch launch;
  if (wanted == 1) return launch;
  const auto by_mpi = [&](const char* size, const char* rank) {
    launch.by = Launch::By::kMpi;
    launch.ranks = number_of(environment, size, 1, kMostRanks);
    launch.rank = number_of(environment, rank, 0, launch.ranks - 1);
  };
  // What Slurm's srun and MPICH's mpirun set comes after TCP's variables, which a user may give to
  // srun's tasks. Slurm's PMI-2 says nothing of whether the MPI at hand understands it (Debian's
  // Open MPI does not, and ends the process), so its tasks meet over TCP. But MPICH's mpirun starts
  // helpers with srun, one a host, whose tasks are not the ranks.
  const char* const tasks = environment("SLURM_STEP_NUM_TASKS");
  const char* const pmi_ranks = environment("PMI_SIZE");
  const bool tasks_are_ranks =
      tasks != nullptr && (pmi_ranks == nullptr || std::strcmp(tasks, pmi_ranks) == 0);
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
          number_of(environment, "MASTER_PORT", 1, kMostPort - 1) + (taken ? 1 : 0));
      const char* host = environment("MASTER_ADDR");
      launch.tcp.host = host != nullptr ? host : "localhost";
    }
  } else if (tasks_are_ranks) {
    if (environment("PMIX_RANK") != nullptr) {
      by_mpi("SLURM_STEP_NUM_TASKS", "SLURM_PROCID");
    } else {
      launch.by = Launch::By::kTcp;
      launch.tcp = tcp_of_slurm(environment);
      launch.rank = launch.tcp.rank;
      launch.ranks = launch.tcp.size;
    }
  } else if (pmi_ranks != nullptr) {
    by_mpi("PMI_SIZE", "PMI_RANK");
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
