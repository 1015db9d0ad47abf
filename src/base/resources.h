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

/// A moment, measured from the start of the process.
class Deadline {
 public:
  /// Infinity (and NaN) never pass.
  explicit Deadline(double seconds_from_process_start) : at_(seconds_from_process_start) {}
  [[nodiscard]] bool passed() const {
    return (stop_ != nullptr && stop_->load(std::memory_order_relaxed)) || elapsed_seconds() >= at_;
  }
  /// Seconds left; negative after the deadline.
  [[nodiscard]] double left() const { return at_ - elapsed_seconds(); }
  /// The same, which passes as well once `stop` is true; refers to it.
  [[nodiscard]] Deadline unless(const std::atomic<bool>& stop) const {
    Deadline sooner = *this;
    sooner.stop_ = &stop;
    return sooner;
  }

 private:
  double at_;
  const std::atomic<bool>* stop_ = nullptr;
};

}  // namespace coronet
