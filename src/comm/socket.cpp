#include "comm/socket.h"

#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstring>
#include <memory>
#include <thread>

#include "base/error.h"
#include "base/resources.h"

namespace coronet::comm {

namespace {

[[noreturn]] void fail(const std::string& what) {
  throw Error(ErrorKind::kRank, fmt::format("{}: {}", what, std::strerror(errno)));
}

void set(int file, int level, int name, int value) {
  ::setsockopt(file, level, name, &value, sizeof value);
}

/// Small letters go at once; a host that vanished without a word is noticed within ten seconds.
void tune(int file) {
  set(file, IPPROTO_TCP, TCP_NODELAY, 1);
  set(file, SOL_SOCKET, SO_KEEPALIVE, 1);
  set(file, IPPROTO_TCP, TCP_KEEPIDLE, 4);
  set(file, IPPROTO_TCP, TCP_KEEPINTVL, 2);
  set(file, IPPROTO_TCP, TCP_KEEPCNT, 3);
  set(file, IPPROTO_TCP, TCP_USER_TIMEOUT, 10000);
}

using Addresses = std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)>;

Addresses resolve(const std::string& host, std::uint16_t port) {
  addrinfo wanted{};
  wanted.ai_family = AF_UNSPEC;
  wanted.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int status = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &wanted, &found);
  return {status == 0 ? found : nullptr, &::freeaddrinfo};
}

int milliseconds(double seconds) {
  return static_cast<int>(std::ceil(1e3 * std::clamp(seconds, 0.0, 1e6)));
}

bool wait_for(int file, short events, double seconds) {
  pollfd ready{file, events, 0};
  int status = 0;
  do {
    status = ::poll(&ready, 1, std::isinf(seconds) ? -1 : milliseconds(seconds));
  } while (status < 0 && errno == EINTR);
  return status > 0;
}

}  // namespace

Socket Socket::listen(std::uint16_t port) {
  // One socket for IPv6 and, mapped into it, IPv4; where there is no IPv6, IPv4 alone.
  Socket six(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (six) {
    set(six.file_, SOL_SOCKET, SO_REUSEADDR, 1);
    set(six.file_, IPPROTO_IPV6, IPV6_V6ONLY, 0);
    sockaddr_in6 at{};
    at.sin6_family = AF_INET6;
    at.sin6_addr = in6addr_any;
    at.sin6_port = htons(port);
    if (::bind(six.file_, reinterpret_cast<sockaddr*>(&at), sizeof at) == 0 &&
        ::listen(six.file_, SOMAXCONN) == 0) {
      return six;
    }
    if (errno == EADDRINUSE) fail(fmt::format("port {} of this host", port));
  }
  Socket four(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!four) fail("no socket");
  set(four.file_, SOL_SOCKET, SO_REUSEADDR, 1);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_ANY);
  at.sin_port = htons(port);
  if (::bind(four.file_, reinterpret_cast<sockaddr*>(&at), sizeof at) != 0 ||
      ::listen(four.file_, SOMAXCONN) != 0) {
    fail(fmt::format("port {} of this host", port));
  }
  return four;
}

std::uint16_t Socket::port() const {
  sockaddr_storage at{};
  socklen_t size = sizeof at;
  if (::getsockname(file_, reinterpret_cast<sockaddr*>(&at), &size) != 0) fail("a socket's port");
  return at.ss_family == AF_INET6 ? ntohs(reinterpret_cast<sockaddr_in6&>(at).sin6_port)
                                  : ntohs(reinterpret_cast<sockaddr_in&>(at).sin_port);
}

Socket Socket::connect(const std::string& host, std::uint16_t port, double seconds,
                       const std::string& whom) {
  const double until = elapsed_seconds() + seconds;
  int problem = 0;
  for (;;) {
    const Addresses addresses = resolve(host, port);
    for (const addrinfo* a = addresses.get(); a != nullptr; a = a->ai_next) {
      // Without waiting, or a host that drops packets would hold us up for minutes.
      Socket s(::socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
      if (!s) continue;
      const int status = ::connect(s.file_, a->ai_addr, a->ai_addrlen);
      if (status != 0 && errno != EINPROGRESS) {
        problem = errno;
        continue;
      }
      if (!wait_for(s.file_, POLLOUT, std::min(5.0, std::max(0.0, until - elapsed_seconds())))) {
        problem = ETIMEDOUT;
        continue;
      }
      socklen_t size = sizeof problem;
      ::getsockopt(s.file_, SOL_SOCKET, SO_ERROR, &problem, &size);
      if (problem != 0) continue;
      tune(s.file_);
      return s;
    }
    if (elapsed_seconds() >= until) {
      throw Error(ErrorKind::kRank,
                  fmt::format("no connection to {} at {}:{} within {:.0f} s: {}", whom, host, port,
                              seconds, addresses ? std::strerror(problem) : "no such host"));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

Socket Socket::accept(double seconds) const {
  if (!wait_for(file_, POLLIN, seconds)) return {};
  Socket s(::accept4(file_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (s) tune(s.file_);
  return s;
}

std::string Socket::peer() const {
  sockaddr_storage at{};
  socklen_t size = sizeof at;
  std::array<char, NI_MAXHOST> host{};
  if (::getpeername(file_, reinterpret_cast<sockaddr*>(&at), &size) != 0 ||
      ::getnameinfo(reinterpret_cast<sockaddr*>(&at), size, host.data(), host.size(), nullptr, 0,
                    NI_NUMERICHOST) != 0) {
    fail("the address of a connection");
  }
  return host.data();
}

Socket::End Socket::read(std::span<std::byte> bytes, double seconds) const {
  const double until = elapsed_seconds() + seconds;
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t got = ::recv(file_, bytes.data() + done, bytes.size() - done, 0);
    if (got > 0) {
      done += static_cast<std::size_t>(got);
      continue;
    }
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) &&
        wait_for(file_, POLLIN, until - elapsed_seconds())) {
      continue;
    }
    return done == 0 ? End::kNothing : End::kPartly;
  }
  return End::kDone;
}

Socket::End Socket::write(std::span<const std::byte> bytes, const std::atomic<bool>& stop) const {
  constexpr double kLook = 0.1;  // seconds between two looks at `stop`
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t put = ::send(file_, bytes.data() + done, bytes.size() - done, MSG_NOSIGNAL);
    if (put > 0) {
      done += static_cast<std::size_t>(put);
      continue;
    }
    if (put < 0 && errno == EINTR) continue;
    if (put < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      if (wait_for(file_, POLLOUT, kLook) || !stop) continue;
    }
    return done == 0 ? End::kNothing : End::kPartly;
  }
  return End::kDone;
}

void Socket::end_writing() const { ::shutdown(file_, SHUT_WR); }
void Socket::end() const { ::shutdown(file_, SHUT_RDWR); }

void Socket::close() {
  if (file_ >= 0) ::close(file_);
  file_ = -1;
}

}  // namespace coronet::comm
