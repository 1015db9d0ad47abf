// `--checkpoint` and `--resume`: when the state of a search is written, where, and from where one
// goes on.
#pragma once

#include <atomic>
#include <string>

#include "search/continuation.h"

namespace coronet::cli {

struct CheckpointSettings {
  std::string file;  ///< to be written; empty: none
  double minutes = 5;
  std::string resume;  ///< to be read; empty: none
  bool quiet = false;
};

class CheckpointFile {
 public:
  explicit CheckpointFile(CheckpointSettings settings) : settings_(std::move(settings)) {}

  /// What the search needs: reads the file to resume and sees that the other one can be written.
  /// Throws Error(kBadInput) where either fails. Must not outlive this.
  search::Continuation continuation();

  /// Is a state written at all?
  [[nodiscard]] bool wanted() const { return !settings_.file.empty(); }
  /// Asks the search to end at its next round; from any thread.
  void interrupt() { interrupted_ = true; }
  /// Is the file being written now? The process should not be ended then.
  [[nodiscard]] bool writing() const { return writing_; }
  /// Where the last state that was written lies; empty: none was.
  [[nodiscard]] std::string written() const { return written_ ? settings_.file : ""; }

 private:
  void write(const search::Checkpoint& checkpoint);

  const CheckpointSettings settings_;
  double next_ = 0;  ///< seconds since process start
  std::atomic<bool> interrupted_{false};
  std::atomic<bool> writing_{false};
  std::atomic<bool> written_{false};
};

}  // namespace coronet::cli
