// The end of `coronet verify`: the verdict is said once, by whoever comes first, the command or the
// watchdog.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/options.h"
#include "cli/progress_line.h"
#include "spec/property.h"
#include "spec/result.h"

namespace coronet::cli {

struct ReportSettings {
  std::string network;  ///< paths, for the JSON result
  std::string property;
  std::string result_file;  ///< empty: not asked for
  std::string json_file;
  bool quiet = false;
};

class Report {
 public:
  Report(ReportSettings settings, const Options& options, ProgressLine& progress)
      : settings_(std::move(settings)), options_(options), progress_(progress) {}

  /// From now on an early end can describe the property. The reference stays valid.
  const Property& keep(Property property);

  /// Says the verdict, writes the files, explains what is not decided. Returns the exit code. If
  /// the watchdog was first, this waits for it to end the process.
  int decided(const Result& result);
  /// The same for an exception: no verdict but for want of memory, which is `unknown`.
  int failed(ErrorKind kind, const std::string& message);
  /// What to do before the process is ended from the watchdog's thread; null: nothing.
  void before_early_end(std::function<void()> call);
  /// From the watchdog's thread: says the verdict and ends the process at once, unless the command
  /// has begun to end by itself.
  void give_up(Verdict verdict, const std::string& reason, int exit_code);

 private:
  void claim();
  int finish(const Result& result, int exit_code);
  bool write_files(const std::string& word, const std::string& counterexample,
                   const std::string& json);
  [[nodiscard]] std::map<std::string, std::string> extra() const;
  [[nodiscard]] Result early_result(Verdict verdict, const std::string& reason) const;

  const ReportSettings settings_;
  const Options& options_;
  ProgressLine& progress_;
  std::atomic<bool> claimed_{false};
  mutable std::mutex mutex_;
  std::optional<Property> property_;
  std::function<void()> before_early_end_;
};

/// What was proven, what limited it, what to try: a few lines for `unknown` and `timeout`.
std::string explain_open(const Result& result, const Options& options);

}  // namespace coronet::cli
