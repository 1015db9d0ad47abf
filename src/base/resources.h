// What the process uses and may use: time, memory.
#pragma once

#include <atomic>
#include <cstdint>

namespace coronet {

/// Seconds since the process started, not since main(): loading and dynamic linking count, as the
/// user's clock counts them.
double elapsed_seconds();

/// Bytes of the process in memory now; 0 where the system does not tell.
std::uint64_t resident_bytes();

/// The most that resident_bytes() ever was.
std::uint64_t peak_resident_bytes();

/// Bytes that the process can hope for: the machine's memory, or the least limit of its control
/// groups if that is less.
std::uint64_t machine_memory_bytes();

/// A moment, measured from the start of the process; an interruption brings it forward to now.
class Deadline {
 public:
  /// Infinity (and NaN) never pass. `interrupted` may be set by any thread, and must outlive this.
  explicit Deadline(double seconds_from_process_start,
                    const std::atomic<bool>* interrupted = nullptr)
      : at_(seconds_from_process_start), interrupted_(interrupted) {}
  [[nodiscard]] bool passed() const { return interrupted() || elapsed_seconds() >= at_; }
  [[nodiscard]] bool interrupted() const { return interrupted_ != nullptr && interrupted_->load(); }
  /// Seconds left; negative after the deadline, 0 once interrupted.
  [[nodiscard]] double left() const { return interrupted() ? 0 : at_ - elapsed_seconds(); }
  /// This deadline, or that moment if it is earlier.
  [[nodiscard]] Deadline within(double seconds_from_process_start) const {
    return Deadline(at_ <= seconds_from_process_start ? at_ : seconds_from_process_start,
                    interrupted_);
  }

 private:
  double at_;
  const std::atomic<bool>* interrupted_;
};

}  // namespace coronet
