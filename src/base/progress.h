// What the engine tells while it works. The library never prints: whoever runs it passes a Tracer.
#pragma once

#include <cstdint>
#include <string>

namespace coronet {

/// A picture of the work at one moment; values that are not known yet are NaN or 0.
struct Progress {
  std::string phase;        ///< "load", "attack", "bounds", "alpha", "branch", "input-split", ...
  double elapsed = 0;       ///< seconds since the process started
  int worst_row = -1;       ///< clause with the least bound among the open ones
  double bound = 0;         ///< its lower bound (positive proves it)
  double best_attack = 0;   ///< least value that a concrete point reached (not positive violates)
  std::int64_t open = 0;    ///< open domains
  std::int64_t closed = 0;  ///< closed domains
  double domains_per_second = 0;
  std::uint64_t memory = 0;  ///< resident bytes
};

/// Events of a run. Certificate writers, progress lines and statistics are tracers. Called from one
/// thread at a time.
class Tracer {
 public:
  virtual ~Tracer() = default;
  virtual void progress(const Progress&) {}
  virtual void message(const std::string&) {}
};

}  // namespace coronet
