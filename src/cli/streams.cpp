#include "cli/streams.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <exception>
#include <new>

#include "cli/exit_codes.h"

namespace coronet::cli {

namespace {

bool write_all(int file, std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = ::write(file, text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    text.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

}  // namespace

bool say(std::string_view text) { return write_all(STDOUT_FILENO, text); }

void complain(std::string_view text) {
  constexpr std::size_t kMost = 48 << 10;
  if (text.size() <= kMost) {
    write_all(STDERR_FILENO, text);
    return;
  }
  write_all(STDERR_FILENO, text.substr(0, text.rfind('\n', kMost) + 1));
  write_all(STDERR_FILENO, "... (shortened; `coronet explain` lists all)\n");
}

void whisper(std::string_view text) {
  // A pipe that polls as writable has room for PIPE_BUF bytes, and no line is longer.
  pollfd ready{STDERR_FILENO, POLLOUT, 0};
  if (::poll(&ready, 1, 0) == 1 && (ready.revents & POLLOUT) != 0) write_all(STDERR_FILENO, text);
}

std::string error_text(int exit_code, const std::string& message) {
  const char* prefix = "error: ";
  if (exit_code == kUnsupported) prefix = "unsupported: ";
  if (exit_code == kOutOfMemory) prefix = "out of memory: ";
  if (exit_code == kRankFailed) prefix = "a rank failed: ";
  if (exit_code == kInternal) prefix = "internal error (a bug in Coronet): ";
  return std::string("coronet: ") + prefix + message + "\n";
}

int guarded(const std::function<int()>& command) {
  int code = kInternal;
  std::string message;
  try {
    return command();
  } catch (const Error& error) {
    code = exit_code(error.kind());
    message = error.what();
  } catch (const std::bad_alloc&) {
    code = kOutOfMemory;
    message = "an allocation failed";
  } catch (const std::exception& error) {
    message = error.what();
  }
  complain(error_text(code, message));
  return code;
}

}  // namespace coronet::cli
