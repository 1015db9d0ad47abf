#include "comm/tcp.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/resources.h"
#include "comm/inbox.h"
#include "comm/packet.h"
#include "comm/socket.h"

namespace coronet::comm {

namespace {

/// What a rank says first on every connection.
struct Hello {
  std::uint64_t magic = 0x31544e4f524f43ULL;  // "CORONT1"
  std::int32_t rank = 0;
  std::int32_t size = 0;
  std::uint16_t port = 0;  ///< where it listens
};

struct Peer {
  Socket socket;
  std::string host;
  std::uint16_t port = 0;
};

template <class T>
std::span<const std::byte> bytes_of(const T& value) {
  return std::as_bytes(std::span<const T>(&value, 1));
}

const std::atomic<bool> kNever{false};

void say_hello(const Socket& socket, const Hello& hello, const std::string& whom) {
  if (socket.write(bytes_of(hello), kNever) != Socket::End::kDone) {
    throw Error(ErrorKind::kRank, whom + " closed its connection at once");
  }
}

/// Accepts the ranks in [first, last) that are to come, whoever comes first.
void accept_ranks(const Socket& listener, const TcpSettings& settings, int first, int last,
                  std::vector<Peer>& peers, double until) {
  constexpr double kHello = 5;  // seconds for the first word of a connection
  for (int missing = last - first; missing > 0;) {
    Socket socket = listener.accept(until - elapsed_seconds());
    if (!socket) {
      std::string names;
      for (int r = first; r < last; ++r) {
        if (!peers[r].socket) names += fmt::format("{}{}", names.empty() ? "" : ", ", r);
      }
      throw Error(ErrorKind::kRank,
                  fmt::format("rank {} waited {:.0f} s for {} of {} ranks to connect: missing {}",
                              settings.rank, settings.join, missing, settings.size, names));
    }
    Hello hello;
    const auto status = socket.read(std::as_writable_bytes(std::span<Hello>(&hello, 1)), kHello);
    // Whoever does not speak our language is none of us.
    if (status != Socket::End::kDone || hello.magic != Hello{}.magic) continue;
    if (hello.size != settings.size || hello.rank < first || hello.rank >= last ||
        peers[hello.rank].socket) {
      throw Error(ErrorKind::kRank,
                  fmt::format("{} came as rank {} of {}, which is taken or is none of {} ranks",
                              socket.peer(), hello.rank, hello.size, settings.size));
    }
    Peer& peer = peers[hello.rank];
    peer.host = socket.peer();
    peer.port = hello.port;
    peer.socket = std::move(socket);
    --missing;
  }
}

Bytes read_table(const Socket& socket, double seconds) {
  std::uint64_t size = 0;
  Bytes bytes;
  if (socket.read(std::as_writable_bytes(std::span<std::uint64_t>(&size, 1)), seconds) ==
          Socket::End::kDone &&
      size < (std::uint64_t{1} << 24)) {
    bytes.resize(size);
    if (socket.read(bytes, seconds) == Socket::End::kDone) return bytes;
  }
  throw Error(ErrorKind::kRank,
              "rank 0 closed its connection before all ranks had come (its message says more)");
}

/// A letter of so many bytes, given room as they come: a number that is damaged takes no memory
/// that nothing will fill. False where the connection ends first.
bool read_letter(const Socket& socket, std::uint64_t count, Bytes& bytes) {
  constexpr std::uint64_t kPiece = std::uint64_t{64} << 20;
  bytes.clear();
  while (bytes.size() < count) {
    const std::size_t at = bytes.size();
    bytes.resize(at + std::min(count - at, std::max<std::uint64_t>(kPiece, at)));
    if (socket.read(std::span(bytes).subspan(at), kForever) != Socket::End::kDone) return false;
  }
  return true;
}

/// Rank 0 hears where everybody listens and tells everybody; then each rank connects to those
/// before it.
std::vector<Peer> connect_all(const TcpSettings& settings) {
  const double until = elapsed_seconds() + settings.join;
  const auto left = [&] { return until - elapsed_seconds(); };
  std::vector<Peer> peers(settings.size);
  Hello hello;
  hello.rank = settings.rank;
  hello.size = settings.size;
  if (settings.rank == 0) {
    const Socket listener = Socket::listen(settings.port);
    accept_ranks(listener, settings, 1, settings.size, peers, until);
    Writer table;
    for (const Peer& peer : peers) {
      table.put(peer.host);
      table.put(peer.port);
    }
    const Bytes bytes = table.take();
    const std::uint64_t size = bytes.size();
    for (int r = 1; r < settings.size; ++r) {
      if (peers[r].socket.write(bytes_of(size), kNever) != Socket::End::kDone ||
          peers[r].socket.write(bytes, kNever) != Socket::End::kDone) {
        throw Error(ErrorKind::kRank, fmt::format("rank {} went away while joining", r));
      }
    }
    return peers;
  }
  const Socket listener = Socket::listen(0);
  hello.port = listener.port();
  peers[0].socket = Socket::connect(settings.host, settings.port, left(), "rank 0");
  say_hello(peers[0].socket, hello, "rank 0");
  const Bytes table = read_table(peers[0].socket, left());
  Reader reader(table, 0);
  for (int r = 0; r < settings.rank; ++r) {
    const auto host = reader.get<std::string>();
    const auto port = reader.get<std::uint16_t>();
    if (r == 0) continue;
    const std::string whom = fmt::format("rank {}", r);
    peers[r].socket = Socket::connect(host, port, left(), whom);
    say_hello(peers[r].socket, hello, whom);
  }
  accept_ranks(listener, settings, settings.rank + 1, settings.size, peers, until);
  return peers;
}

class TcpChannel final : public Channel {
 public:
  TcpChannel(int rank, std::vector<Peer> peers)
      : rank_(rank), peers_(peers.size()), inbox_(rank, static_cast<int>(peers.size())) {
    for (int r = 0; r < size(); ++r) peers_[r].socket = std::move(peers[r].socket);
    for (int r = 0; r < size(); ++r) {
      if (r == rank_) continue;
      ++reading_;
      peers_[r].reader = std::thread([this, r] { read(r); });
    }
  }

  /// Closing a connection with unread bytes would take from the other end what it has not read
  /// yet: so all is read, for a while.
  ~TcpChannel() override {
    TcpChannel::leave();
    for (Connection& peer : peers_) {
      if (peer.socket) peer.socket.end_writing();
    }
    {
      std::unique_lock lock(mutex_);
      ended_.wait_for(lock, std::chrono::seconds(2), [&] { return reading_ == 0; });
    }
    for (Connection& peer : peers_) {
      if (peer.socket) peer.socket.end();
    }
    for (Connection& peer : peers_) {
      if (peer.reader.joinable()) peer.reader.join();
    }
  }

  [[nodiscard]] int rank() const override { return rank_; }
  [[nodiscard]] int size() const override { return static_cast<int>(peers_.size()); }

  void send(int to, const Subject& subject, std::span<const std::byte> bytes) override {
    const std::string what = fmt::format("send {} to rank {}", subject.what, to);
    inbox_.check(to, what);
    if (to == rank_) {
      inbox_.deliver(rank_, subject, {bytes.begin(), bytes.end()});
    } else if (!put(to, Kind::kLetter, subject, bytes)) {
      // Its reader learns why: the rank left, or ended.
      await_end(to);
      inbox_.check(to, what);
      throw Error(ErrorKind::kRank, fmt::format("rank {} could not {}", rank_, what));
    }
  }

  std::optional<Letter> receive(int from, const Subject& subject, double seconds) override {
    return inbox_.take(from, subject, seconds);
  }

  void fail(ErrorKind kind, const std::string& what) override {
    inbox_.mark_failed({rank_, kind, what});
    const Subject subject{0, static_cast<int>(kind), ""};
    for (int r = 0; r < size(); ++r) {
      if (r == rank_ || put(r, Kind::kFailed, subject, std::as_bytes(std::span(what)))) continue;
      peers_[r].socket.end();  // no word goes through: the end of the connection tells
    }
  }

  void leave() override {
    for (int r = 0; r < size(); ++r) {
      if (r != rank_ && !inbox_.has_left(r)) (void)put(r, Kind::kLeft, {}, {});
    }
  }

  [[nodiscard]] const std::atomic<bool>& broken() const override { return inbox_.broken(); }

 private:
  enum class Kind : std::uint32_t { kLetter, kFailed, kLeft };
  struct Header {
    Kind kind;
    std::int32_t tag;
    std::uint64_t group;
    std::uint64_t bytes;
  };
  struct Connection {
    Socket socket;
    std::thread reader;
    std::mutex writing;  // one letter at a time
    bool torn = false;   // a letter was begun and not ended
    bool ended = false;  // nothing more comes from there; under mutex_
  };

  bool put(int to, Kind kind, const Subject& subject, std::span<const std::byte> bytes) {
    Connection& peer = peers_[to];
    const std::lock_guard lock(peer.writing);
    if (peer.torn) return false;
    const Header header{kind, subject.tag, subject.group, bytes.size()};
    // Once all is in vain, a letter to a rank that takes nothing is given up; so is the word that
    // it is in vain.
    const std::atomic<bool>& stop = inbox_.broken();
    const auto begun = peer.socket.write(bytes_of(header), stop);
    const bool done =
        begun == Socket::End::kDone && peer.socket.write(bytes, stop) == Socket::End::kDone;
    peer.torn = !done && begun != Socket::End::kNothing;
    return done;
  }

  void read(int from) {
    const Socket& socket = peers_[from].socket;
    bool left = false;
    Header header;
    Bytes bytes;
    try {
      while (socket.read(std::as_writable_bytes(std::span<Header>(&header, 1)), kForever) ==
             Socket::End::kDone) {
        if (!read_letter(socket, header.bytes, bytes)) break;
        if (header.kind == Kind::kLetter) {
          inbox_.deliver(from, {header.group, header.tag, ""}, std::move(bytes));
        } else if (header.kind == Kind::kFailed) {
          inbox_.mark_failed(told_failure(from, header.tag, bytes));
        } else if (header.kind == Kind::kLeft) {
          left = true;
          inbox_.mark_left(from);
        } else {
          left = true;
          fail(ErrorKind::kInternal, fmt::format("rank {} sent what is no letter", from));
          break;
        }
        bytes = {};
      }
    } catch (const std::exception& e) {  // no memory for a letter
      left = true;
      fail(ErrorKind::kOutOfMemory,
           fmt::format("a letter of {} bytes from rank {}: {}", header.bytes, from, e.what()));
    }
    if (!left) {
      inbox_.mark_failed({from, ErrorKind::kRank, "it ended, or its host cannot be reached"});
    }
    const std::lock_guard lock(mutex_);
    peers_[from].ended = true;
    --reading_;
    ended_.notify_all();
  }

  void await_end(int from) {
    std::unique_lock lock(mutex_);
    ended_.wait_for(lock, std::chrono::seconds(2), [&] { return peers_[from].ended; });
  }

  const int rank_;
  std::vector<Connection> peers_;
  Inbox inbox_;
  std::mutex mutex_;
  std::condition_variable ended_;
  int reading_ = 0;
};

}  // namespace

std::unique_ptr<Channel> join_tcp(const TcpSettings& settings) {
  if (settings.size < 1 || settings.rank < 0 || settings.rank >= settings.size) {
    throw Error(ErrorKind::kBadInput,
                fmt::format("rank {} of {} is none", settings.rank, settings.size));
  }
  return std::make_unique<TcpChannel>(settings.rank, connect_all(settings));
}

}  // namespace coronet::comm
