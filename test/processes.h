// Processes of the program, or of its launchers, as a test's children.
#pragma once

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "comm/socket.h"
#include "folder.h"

namespace coronet::test {

using Words = std::vector<std::string>;
using Variables = std::map<std::string, std::string>;

inline std::string slurp(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

inline double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

struct Process {
  pid_t pid = 0;
  std::string out, err;  ///< the files that it writes to
  double began = 0;
};

struct Outcome {
  int code = -1;  ///< exit code; 128 + the signal that ended it
  double seconds = 0;
  std::string out;
  std::string err;

  [[nodiscard]] std::string first_line() const { return out.substr(0, out.find('\n')); }
};

inline void redirect(const char* path, int flags, int to) {
  const int from = ::open(path, flags, 0600);
  ::dup2(from, to);
  ::close(from);
}

/// Begins `words`, with these variables beside those of the test, and what it says in the folder.
inline Process start(const Folder& folder, const Words& words, const Variables& variables = {}) {
  Process process;
  static int started = 0;
  const std::string number = std::to_string(started++);
  process.out = folder.file("out" + number);
  process.err = folder.file("err" + number);
  process.began = now();
  std::vector<char*> argv;
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  process.pid = ::fork();
  if (process.pid == 0) {
    for (const auto& [name, value] : variables) ::setenv(name.c_str(), value.c_str(), 1);
    redirect("/dev/null", O_RDONLY, STDIN_FILENO);
    redirect(process.out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, STDOUT_FILENO);
    redirect(process.err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, STDERR_FILENO);
    ::execvp(argv[0], argv.data());
    ::_exit(127);
  }
  return process;
}

/// Waits for its end.
inline Outcome finish(const Process& process) {
  int status = 0;
  ::waitpid(process.pid, &status, 0);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), now() - process.began,
          slurp(process.out), slurp(process.err)};
}

/// All ranks of the program over TCP, as torchrun starts them.
inline std::vector<Process> start_tcp(const Folder& folder, const std::string& program, int ranks,
                                      Words words) {
  words.insert(words.begin(), program);
  const std::string port = std::to_string(comm::Socket::listen(0).port());
  std::vector<Process> all;
  for (int r = 0; r < ranks; ++r) {
    all.push_back(start(folder, words,
                        {{"RANK", std::to_string(r)},
                         {"WORLD_SIZE", std::to_string(ranks)},
                         {"MASTER_ADDR", "localhost"},
                         {"MASTER_PORT", port}}));
  }
  return all;
}

}  // namespace coronet::test
