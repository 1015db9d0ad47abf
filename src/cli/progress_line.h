// What a run is doing now, on standard error: a live line for people, JSON for programs.
#pragma once

#include <mutex>
#include <string>

#include "base/progress.h"

namespace coronet::cli {

/// "auto": a line where standard error is a terminal, else nothing.
enum class ProgressStyle { kNone, kLine, kJson };
ProgressStyle progress_style(const std::string& name);

/// Keeps the latest picture of the work; the watchdog's thread shows it, so that neither a slow
/// terminal nor a pipe that nobody reads can hold up the engine.
class ProgressLine : public Tracer {
 public:
  explicit ProgressLine(ProgressStyle style) : style_(style) {}

  void progress(const Progress& progress) override;

  /// Shows the latest picture if it is time to.
  void tick();
  /// Takes the line away; with JSON, a last object with the verdict and why.
  void finish(const std::string& verdict, const std::string& reason);
  [[nodiscard]] ProgressStyle style() const { return style_; }
  [[nodiscard]] Progress latest() const;

 private:
  const ProgressStyle style_;
  mutable std::mutex mutex_;
  Progress latest_{.phase = "load"};
  double shown_ = 0;  ///< when something was shown last
  bool visible_ = false;
};

}  // namespace coronet::cli
