// TCP sockets of ranks: whole messages, time limits, errors that say whom they are about.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

namespace coronet::comm {

/// Owns a file descriptor. Throws Error(kRank) where the system fails.
class Socket {
 public:
  Socket() = default;
  explicit Socket(int file) : file_(file) {}
  ~Socket() { close(); }
  Socket(Socket&& other) noexcept : file_(std::exchange(other.file_, -1)) {}
  Socket& operator=(Socket&& other) noexcept {
    if (this != &other) {
      close();
      file_ = std::exchange(other.file_, -1);
    }
    return *this;
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  /// Listens on all interfaces; port 0: any that is free.
  static Socket listen(std::uint16_t port);
  [[nodiscard]] std::uint16_t port() const;

  /// Tries until `seconds` have passed. `whom` is for the error.
  static Socket connect(const std::string& host, std::uint16_t port, double seconds,
                        const std::string& whom);
  /// The next who connects, within `seconds`; else an empty socket.
  [[nodiscard]] Socket accept(double seconds) const;
  [[nodiscard]] explicit operator bool() const { return file_ >= 0; }

  /// The address of the other end, in numbers.
  [[nodiscard]] std::string peer() const;

  /// How a read or a write of all bytes ended.
  enum class End { kDone, kNothing, kPartly };
  /// Waits for all of the bytes. kNothing: the other end closed, or `seconds` passed, before the
  /// first of them.
  [[nodiscard]] End read(std::span<std::byte> bytes, double seconds) const;
  /// Gives up where `stop` becomes true while the other end takes nothing.
  [[nodiscard]] End write(std::span<const std::byte> bytes, const std::atomic<bool>& stop) const;

  /// Nothing more will be written; the other end reads the end.
  void end_writing() const;
  /// Nothing more will be read or written; wakes a read.
  void end() const;

 private:
  void close();
  int file_ = -1;
};

}  // namespace coronet::comm
