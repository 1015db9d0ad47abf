#include "cli/launch.h"

#include <fmt/format.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <vector>

#include "base/error.h"
#include "cli/exit_codes.h"
#include "cli/streams.h"
#include "comm/communicator.h"
#include "comm/mpi.h"
#include "comm/run_as.h"
#include "comm/threads.h"

namespace coronet::cli {

namespace {

using Environment = std::function<const char*(const char*)>;

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

/// Beside the program, as it was built or installed.
std::string mpi_module() {
  std::array<char, 4096> path{};
  const ssize_t size = ::readlink("/proc/self/exe", path.data(), path.size());
  std::string program(path.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
  return program.substr(0, program.rfind('/') + 1) + "libcoronet_mpi.so";
}

/// Ranks that may run on the same cores share them: threads that wait for each other's core are
/// slower than none.
Options with_share_of_threads(comm::Channel& channel, Options options) {
  struct Place {
    std::array<char, 256> host{};
    cpu_set_t cpus{};
  };
  Place mine;
  CPU_ZERO(&mine.cpus);
  ::gethostname(mine.host.data(), mine.host.size() - 1);
  ::sched_getaffinity(0, sizeof mine.cpus, &mine.cpus);
  comm::Communicator group(channel);
  std::vector<Place> all(group.size());
  group.all_gather(std::span<const Place>(&mine, 1), std::span<Place>(all));
  const auto sharing = std::count_if(all.begin(), all.end(), [&](const Place& p) {
    return p.host == mine.host && CPU_EQUAL(&p.cpus, &mine.cpus) != 0;
  });
  if (options.threads == 0) {
    options.threads = std::max(1, CPU_COUNT(&mine.cpus) / static_cast<int>(sharing));
  }
  return options;
}

std::unique_ptr<comm::Channel> join(const Launch& launch) {
  auto channel =
      launch.by == Launch::By::kMpi ? comm::join_mpi(mpi_module()) : comm::join_tcp(launch.tcp);
  if (channel->rank() != launch.rank || channel->size() != launch.ranks) {
    throw Error(ErrorKind::kBadInput,
                fmt::format("the launcher calls this rank {} of {}, its MPI {} of {}: are they of "
                            "the same MPI?",
                            launch.rank, launch.ranks, channel->rank(), channel->size()));
  }
  return channel;
}

}  // namespace

Launch launch_of(const Options& options, const Environment& environment) {
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
  if (options.ranks > 0 && launch.ranks > 1 && options.ranks != launch.ranks) {
    throw Error(ErrorKind::kBadInput, fmt::format("--ranks {}, but a launcher has started {} ranks",
                                                  options.ranks, launch.ranks));
  }
  if (options.ranks > kMostRanks) {
    throw Error(ErrorKind::kBadInput, fmt::format("--ranks: at most {}", kMostRanks));
  }
  if (options.ranks > 1 && launch.ranks == 1) {
    launch.by = Launch::By::kThreads;
    launch.ranks = options.ranks;
  }
  if (launch.ranks > 1 && options.device != "auto" && options.device != "cpu") {
    throw Error(ErrorKind::kBadInput,
                fmt::format("--device {}: ranks bound rows on CPUs; use --device cpu, or one rank",
                            options.device));
  }
  return launch;
}

Launch launch_of(const Options& options) {
  return launch_of(options, [](const char* name) { return std::getenv(name); });
}

void run_leading(const Launch& launch, const Options& options, const Lead& lead,
                 const Serve& serve) {
  if (launch.by == Launch::By::kNobody) {
    lead(nullptr, options);
    return;
  }
  const auto run = [&](comm::Channel& channel) {
    const Options mine = with_share_of_threads(channel, options);
    if (channel.rank() == 0) {
      lead(&channel, mine);
    } else {
      serve(channel, mine);
    }
  };
  if (launch.by == Launch::By::kThreads) {
    comm::run_threads(comm::thread_channels(launch.ranks), run);
    return;
  }
  const auto channel = join(launch);
  comm::run_as(*channel, run);
}

int run_serving(const Launch& launch, const Options& options, const Serve& serve) {
  // The leader hears the keyboard and ends all.
  std::signal(SIGINT, SIG_IGN);
  return guarded([&] {
    try {
      const auto channel = join(launch);
      comm::run_as(*channel,
                   [&](comm::Channel& mine) { serve(mine, with_share_of_threads(mine, options)); });
    } catch (const comm::RankLeft&) {
      return static_cast<int>(kDecided);
    }
    return static_cast<int>(kDecided);
  });
}

}  // namespace coronet::cli
