// A thread that keeps the clock, the memory limit and the live line, and that hears signals.
#pragma once

#include <cstdint>
#include <thread>

#include "base/options.h"
#include "cli/checkpoint_file.h"
#include "cli/report.h"

namespace coronet::cli {

/// From construction to destruction: ends the process through Report::give_up half a second after
/// the deadline, above the memory limit, and at SIGINT or SIGTERM (a second signal kills at once).
/// Where a checkpoint is wanted, a signal and the deadline ask the search to end and leave it the
/// time to write one.
/// To be made before other threads are: they inherit that these signals are not theirs.
class Watchdog {
 public:
  Watchdog(const Options& options, Report& report, ProgressLine& progress,
           CheckpointFile& checkpoint);
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

 private:
  void watch();
  void look();

  const double deadline_;
  const std::uint64_t memory_;
  Report& report_;
  ProgressLine& progress_;
  CheckpointFile& checkpoint_;
  int signals_ = -1;
  int stop_ = -1;
  std::thread thread_;
};

}  // namespace coronet::cli
