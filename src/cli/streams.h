// Standard output and standard error without buffers: what was said stays said, however the process
// ends.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace coronet::cli {

/// Writes all of `text` to standard output; false where it cannot be written.
bool say(std::string_view text);

/// Writes a message to standard error, at most 48 KiB of it: a client that reads standard output to
/// its end first must not be blocked by a full pipe (64 KiB on Linux).
void complain(std::string_view text);

/// Writes to standard error if that does not block now; a line that would is dropped, since it must
/// not hold up the clock.
void whisper(std::string_view text);

/// Runs a command; an exception becomes a message on standard error and its exit code.
int guarded(const std::function<int()>& command);

/// "error: " or "internal error: " and what to do about it, ending with a newline.
std::string error_text(int exit_code, const std::string& message);

}  // namespace coronet::cli
