#include "cli/launch.h"

#include <fmt/format.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <vector>

#include "base/error.h"
#include "bound/accelerator.h"
#include "cli/exit_codes.h"
#include "cli/plan_question.h"
#include "cli/streams.h"
#include "comm/communicator.h"
#include "comm/mpi.h"
#include "comm/run_as.h"
#include "comm/threads.h"

namespace coronet::cli {

namespace {

using comm::Launch;

/// Beside the program, as it was built or installed.
std::string mpi_module() {
  std::array<char, 4096> path{};
  const ssize_t size = ::readlink("/proc/self/exe", path.data(), path.size());
  std::string program(path.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
  return program.substr(0, program.rfind('/') + 1) + "libcoronet_mpi.so";
}

/// Ranks that may run on the same cores share them: threads that wait for each other's core are
/// slower than none. The GPUs of a host are dealt to its ranks in turn, unless one is named.
Options with_share(comm::Channel& channel, Options options) {
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
  if (options.device == "auto" || options.device == "cuda") {
    const auto before = std::count_if(all.begin(), all.begin() + channel.rank(),
                                      [&](const Place& p) { return p.host == mine.host; });
    const int devices = bound::count_devices();
    if (devices > 1) options.device += fmt::format(":{}", before % devices);
  }
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

bool whole_weights(const Options& options) {
  return options.weights == "auto" || options.weights == "replicated";
}

}  // namespace

comm::Launch launch_of(const Options& options) {
  const bool by_mesh = options.ranks == 0 && !options.mesh.empty() && !planned(options);
  const int wanted = by_mesh ? read_mesh(options.mesh).ranks() : options.ranks;
  return comm::launch_of(wanted, [](const char* name) { return std::getenv(name); });
}

Mesh mesh_of(const Options& options, const comm::Launch& launch) {
  const auto check_zones = [&](int tensor) {
    if (options.zones > 0 && tensor < 2) {
      throw Error(ErrorKind::kBadInput,
                  fmt::format("--zones {}: zones are of ranks that share the neurons: give "
                              "--mesh tensor=T with T from 2 up",
                              options.zones));
    }
  };
  if (options.mesh.empty() || planned(options)) {
    check_zones(1);
    Mesh mesh;
    mesh.rows = launch.ranks;
    return mesh;
  }
  const Mesh mesh = read_mesh(options.mesh);
  check_zones(mesh.tensor);
  if (mesh.ranks() != launch.ranks) {
    throw Error(ErrorKind::kBadInput, fmt::format("--mesh {}: that is {} ranks, there are {}",
                                                  options.mesh, mesh.ranks(), launch.ranks));
  }
  if (mesh.domains > 1) {
    throw Error(ErrorKind::kBadInput,
                fmt::format("--mesh {}: ranks that share rows share domains too: write rows={}",
                            options.mesh, launch.ranks));
  }
  if (mesh.tensor > 1 && !whole_weights(options)) {
    throw Error(
        ErrorKind::kBadInput,
        fmt::format("--mesh {}: a rank keeps the weights of its neurons; leave out --weights {}",
                    options.mesh, options.weights));
  }
  return mesh;
}

void keep_nccl_from_multicast() { ::setenv("NCCL_NVLS_ENABLE", "0", 1); }

void run_leading(const Launch& launch, const Options& options, const Lead& lead,
                 const Serve& serve) {
  if (launch.by == Launch::By::kNobody) {
    lead(nullptr, options);
    return;
  }
  const auto run = [&](comm::Channel& channel) {
    const Options mine = with_share(channel, options);
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
  // The leader hears the keyboard and ends all. So it does where a launcher sends SIGTERM to every
  // rank, and may want to write a checkpoint before; a second one kills.
  std::signal(SIGINT, SIG_IGN);
  struct sigaction once {};
  once.sa_handler = [](int) {};
  once.sa_flags = SA_RESETHAND | SA_RESTART;
  ::sigaction(SIGTERM, &once, nullptr);
  return guarded([&] {
    try {
      const auto channel = join(launch);
      comm::run_as(*channel, [&](comm::Channel& mine) { serve(mine, with_share(mine, options)); });
    } catch (const comm::RankLeft&) {
      return static_cast<int>(kDecided);
    }
    return static_cast<int>(kDecided);
  });
}

}  // namespace coronet::cli
