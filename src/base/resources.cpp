#include "base/resources.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <limits>
#include <string>
#include <string_view>

#include "base/error.h"

namespace coronet {
namespace {

/// The first 4 KiB of a file of /proc or /sys, empty where it cannot be read. Plain reads: these
/// functions are called often and streams would allocate and take locks.
std::string_view read_small(const char* path, std::array<char, 4096>& buffer) {
  const int file = ::open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return {};
  std::size_t size = 0;
  while (size < buffer.size()) {
    const ssize_t got = ::read(file, buffer.data() + size, buffer.size() - size);
    if (got <= 0) break;
    size += static_cast<std::size_t>(got);
  }
  ::close(file);
  return {buffer.data(), size};
}

/// The `index`th (from 0) word of `text` as a number, or `otherwise`.
std::uint64_t number_at(std::string_view text, int index, std::uint64_t otherwise) {
  constexpr std::string_view kBlank = " \t\n";
  for (; index >= 0; --index) {
    const std::size_t begin = text.find_first_not_of(kBlank);
    if (begin == std::string_view::npos) return otherwise;
    text.remove_prefix(begin);
    if (index > 0) text.remove_prefix(std::min(text.find_first_of(kBlank), text.size()));
  }
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() ? value : otherwise;
}

/// The number after `key` in a file of "Key:   number kB" lines, in bytes.
std::uint64_t kilobytes_after(std::string_view text, std::string_view key) {
  const std::size_t at = text.find(key);
  if (at == std::string_view::npos) return 0;
  return number_at(text.substr(at + key.size()), 0, 0) * 1024;
}

double now(clockid_t clock) {
  timespec time{};
  if (::clock_gettime(clock, &time) != 0) return 0;
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

/// The age of the process at this moment, 0 where the system does not tell.
double age_of_process() {
  std::array<char, 4096> buffer;
  const std::string_view stat = read_small("/proc/self/stat", buffer);
  // Field 2, the name in parentheses, may hold blanks and parentheses itself: count from the last
  // ')'. Start time is field 22, that is word 19 after it, in ticks since boot.
  const std::size_t name_end = stat.rfind(')');
  if (name_end == std::string_view::npos) return 0;
  const std::uint64_t ticks = number_at(stat.substr(name_end + 1), 19, 0);
  const long per_second = ::sysconf(_SC_CLK_TCK);
  if (ticks == 0 || per_second <= 0) return 0;
  const double age =
      now(CLOCK_BOOTTIME) - static_cast<double>(ticks) / static_cast<double>(per_second);
  // Some sandboxes and time namespaces report a start that does not fit the clock. A day before the
  // first call is not credible for a process that asks early; a negative age is never.
  constexpr double kCredible = 86400;
  return age >= 0 && age < kCredible ? age : 0;
}

/// The least memory limit from the process's control group up to the root, for version 2 and
/// version 1.
std::uint64_t control_group_limit() {
  std::uint64_t least = std::numeric_limits<std::uint64_t>::max();
  std::array<char, 4096> buffer;
  const std::string groups(read_small("/proc/self/cgroup", buffer));
  const auto walk = [&](const std::string& root, std::string path, const char* file) {
    while (true) {
      std::array<char, 4096> value;
      least = std::min(least, number_at(read_small((root + path + file).c_str(), value), 0, least));
      const std::size_t slash = path.rfind('/');
      if (slash == std::string::npos) return;
      path.resize(slash);
    }
  };
  // Lines are "id:controllers:path"; version 2 has id 0 and no controllers.
  std::string_view rest = groups;
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    const std::size_t first = line.find(':');
    const std::size_t second =
        first == std::string_view::npos ? std::string_view::npos : line.find(':', first + 1);
    if (second == std::string_view::npos) continue;
    const std::string_view controllers = line.substr(first + 1, second - first - 1);
    const std::string path(line.substr(second + 1) == "/" ? "" : line.substr(second + 1));
    if (controllers.empty()) {
      walk("/sys/fs/cgroup", path, "/memory.max");
    } else if (("," + std::string(controllers) + ",").find(",memory,") != std::string::npos) {
      walk("/sys/fs/cgroup/memory", path, "/memory.limit_in_bytes");
    }
  }
  return least;
}

}  // namespace

double elapsed_seconds() {
  // Fixed at the first call; BOOTTIME and MONOTONIC tick alike but while the machine sleeps, and
  // MONOTONIC needs no system call.
  static const double start = now(CLOCK_MONOTONIC) - age_of_process();
  return now(CLOCK_MONOTONIC) - start;
}

std::uint64_t resident_bytes() {
  std::array<char, 4096> buffer;
  const std::uint64_t pages = number_at(read_small("/proc/self/statm", buffer), 1, 0);
  return pages * static_cast<std::uint64_t>(std::max(::sysconf(_SC_PAGESIZE), 0L));
}

std::uint64_t peak_resident_bytes() {
  std::array<char, 4096> buffer;
  const std::uint64_t peak = kilobytes_after(read_small("/proc/self/status", buffer), "VmHWM:");
  // Not every system has VmHWM; and the kernel's counters lag behind one another a little.
  return std::max(peak, resident_bytes());
}

void require_resident_at_most(std::uint64_t bytes) {
  const std::uint64_t now = resident_bytes();
  if (now <= bytes) return;
  throw Error(ErrorKind::kOutOfMemory,
              fmt::format("{:.2f} GiB in use, the limit is {:.2f} GiB",
                          static_cast<double>(now) / 0x1p30, static_cast<double>(bytes) / 0x1p30));
}

std::uint64_t machine_memory_bytes() {
  std::array<char, 4096> buffer;
  std::uint64_t machine = kilobytes_after(read_small("/proc/meminfo", buffer), "MemTotal:");
  if (machine == 0) machine = std::numeric_limits<std::uint64_t>::max();
  return std::min(machine, control_group_limit());
}

std::string boot_number() {
  std::array<char, 4096> buffer;
  return std::string(read_small("/proc/sys/kernel/random/boot_id", buffer));
}

}  // namespace coronet
