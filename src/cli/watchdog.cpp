#include "cli/watchdog.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <csignal>

#include "base/error.h"
#include "base/resources.h"
#include "cli/exit_codes.h"

namespace coronet::cli {

namespace {

/// The engine looks at the clock by itself; this much later it is stuck in one step.
constexpr double kGrace = 0.5;
/// Where the state of the search is kept, the end of a step is worth more than a punctual one.
constexpr double kGraceOfCheckpoint = 10;
constexpr double kTick = 0.05;

sigset_t watched_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return set;
}

std::uint64_t memory_limit(const Options& options) {
  if (options.memory_gib > 0) return static_cast<std::uint64_t>(options.memory_gib * 0x1p30);
  return machine_memory_bytes() / 5 * 4;
}

/// One giant allocation must fail instead of being swapped in page by page between two looks at the
/// clock. The slack is for stacks and other memory that is reserved and never touched.
void limit_allocations(std::uint64_t bytes) {
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  rlimit limit{};
  if (::getrlimit(RLIMIT_DATA, &limit) != 0) return;
  const std::uint64_t wanted = bytes + bytes / 4 + (std::uint64_t{1} << 29);
  limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, wanted);
  ::setrlimit(RLIMIT_DATA, &limit);
#endif
}

}  // namespace

Watchdog::Watchdog(const Options& options, Report& report, ProgressLine& progress,
                   CheckpointFile& checkpoint)
    : deadline_(options.timeout > 0
                    ? options.timeout + (checkpoint.wanted() ? kGraceOfCheckpoint : kGrace)
                    : HUGE_VAL),
      memory_(memory_limit(options)),
      report_(report),
      progress_(progress),
      checkpoint_(checkpoint) {
  const sigset_t set = watched_signals();
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signals_ = ::signalfd(-1, &set, SFD_CLOEXEC);
  stop_ = ::eventfd(0, EFD_CLOEXEC);
  if (stop_ < 0) throw Error(ErrorKind::kInternal, "no event descriptor for the watchdog");
  if (options.memory_gib > 0) limit_allocations(memory_);
  thread_ = std::thread([this] { watch(); });
}

Watchdog::~Watchdog() {
  const std::uint64_t one = 1;
  while (::write(stop_, &one, sizeof one) < 0) {
  }
  thread_.join();
  ::close(stop_);
  if (signals_ >= 0) ::close(signals_);
}

void Watchdog::look() {
  if (elapsed_seconds() >= deadline_ && !checkpoint_.writing()) {
    report_.give_up(Verdict::kTimeout, "the deadline passed inside one step", kTimeout);
  }
  const std::uint64_t resident = resident_bytes();
  if (resident > memory_) {
    report_.give_up(
        Verdict::kUnknown,
        fmt::format("out of memory: {:.2f} GiB in use, the limit is {:.2f} GiB",
                    static_cast<double>(resident) / 0x1p30, static_cast<double>(memory_) / 0x1p30),
        kOutOfMemory);
  }
  progress_.tick();
}

void Watchdog::watch() {
  std::array<pollfd, 2> files{{{stop_, POLLIN, 0}, {signals_, POLLIN, 0}}};
  for (;;) {
    const double left = deadline_ - elapsed_seconds();
    const double wait = left > 0 ? std::min(left, kTick) : kTick;
    ::poll(files.data(), files.size(), static_cast<int>(std::ceil(1e3 * wait)));
    if ((files[0].revents & POLLIN) != 0) return;
    if ((files[1].revents & POLLIN) != 0) {
      // Whoever reads our output may be stuck: from here on, a signal kills.
      signalfd_siginfo first{};
      (void)!::read(signals_, &first, sizeof first);
      const sigset_t set = watched_signals();
      ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
      if (checkpoint_.wanted()) {
        checkpoint_.interrupt();
      } else {
        report_.give_up(Verdict::kUnknown, "interrupted", kUnknown);
      }
    }
    look();
  }
}

}  // namespace coronet::cli
