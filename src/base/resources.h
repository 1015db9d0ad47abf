// What the process uses and may use: time, memory.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

namespace coronet {

/// Seconds since the process started, not since main(): loading and dynamic linking count, as the
/// user's clock counts them.
double elapsed_seconds();

/// Bytes of the process in memory now; 0 where the system does not tell.
std::uint64_t resident_bytes();

/// The most that resident_bytes() ever was.
std::uint64_t peak_resident_bytes();

/// Throws Error(kOutOfMemory) where the process has more than that in memory now.
void require_resident_at_most(std::uint64_t bytes);

/// Bytes that the process can hope for: the machine's memory, or the least limit of its control
/// groups if that is less.
std::uint64_t machine_memory_bytes();

/// The same for all processes of one running kernel, and for no others; empty where the system does
/// not tell.
std::string boot_number();

/// A moment, measured from the start of the process; an interruption brings it forward to now.
class Deadline {
 public:
  /// Infinity (and NaN) never pass. `interrupted` may be set by any thread, and must outlive this.
  explicit Deadline(double seconds_from_process_start,
                    const std::atomic<bool>* interrupted = nullptr)
      : at_(seconds_from_process_start), interrupted_(interrupted) {}
  [[nodiscard]] bool passed() const {
    return interrupted() || set(stop_) || elapsed_seconds() >= at_;
  }
  [[nodiscard]] bool interrupted() const { return set(interrupted_); }
  /// Seconds left; negative after the deadline, 0 once interrupted.
  [[nodiscard]] double left() const { return interrupted() ? 0 : at_ - elapsed_seconds(); }
  /// This deadline, or that moment if it is earlier.
  [[nodiscard]] Deadline within(double seconds_from_process_start) const {
    Deadline sooner = *this;
    if (!(at_ <= seconds_from_process_start)) sooner.at_ = seconds_from_process_start;
    return sooner;
  }
  [[nodiscard]] bool before(const Deadline& other) const { return at_ < other.at_; }
  /// The same, which passes as well once `stop` is true; refers to it.
  [[nodiscard]] Deadline unless(const std::atomic<bool>& stop) const {
    Deadline sooner = *this;
    sooner.stop_ = &stop;
    return sooner;
  }

 private:
  double at_;
  static bool set(const std::atomic<bool>* flag) {
    return flag != nullptr && flag->load(std::memory_order_relaxed);
  }

  const std::atomic<bool>* interrupted_;
  const std::atomic<bool>* stop_ = nullptr;
};

}  // namespace coronet
