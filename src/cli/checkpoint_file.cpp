#include "cli/checkpoint_file.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "base/resources.h"
#include "cli/streams.h"
#include "io/file.h"
#include "search/checkpoint.h"

namespace coronet::cli {

namespace {

bool exists(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored);
}

}  // namespace

search::Continuation CheckpointFile::continuation() {
  search::Continuation continuation;
  // The same command line for the first run and for those that go on: where there is nothing yet,
  // it begins.
  if (!settings_.resume.empty() &&
      (settings_.resume != settings_.file || exists(settings_.resume))) {
    continuation.resume = search::read_checkpoint(settings_.resume);
  }
  if (!wanted()) return continuation;
  check_writable(settings_.file);
  next_ = elapsed_seconds() + 60 * settings_.minutes;
  continuation.interrupted = &interrupted_;
  continuation.due = [this] { return elapsed_seconds() >= next_; };
  continuation.save = [this](const search::Checkpoint& checkpoint) { write(checkpoint); };
  return continuation;
}

/// A disk that is full must not end the search: what was written before stays.
void CheckpointFile::write(const search::Checkpoint& checkpoint) {
  writing_ = true;
  try {
    search::write_checkpoint(settings_.file, checkpoint);
    written_ = true;
  } catch (const Error& error) {
    if (!settings_.quiet) complain(std::string("warning: no checkpoint: ") + error.what() + "\n");
  }
  writing_ = false;
  next_ = elapsed_seconds() + 60 * settings_.minutes;
}

}  // namespace coronet::cli
