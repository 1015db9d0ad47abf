#include "comm/mpi.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <deque>
#include <list>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "base/resources.h"
#include "comm/inbox.h"
#include "comm/mpi/calls.h"

namespace coronet::comm {

namespace {

// Each letter is two messages: what it is, then its bytes.
constexpr int kHeaderTag = 1;
constexpr int kBytesTag = 2;

/// What a failed run's other ranks have to say goes out before MPI ends them.
constexpr double kLastWords = 3;

/// MPI's own waiting burns a core, which the ranks of one host need for their work: we look, yield
/// for a moment, then sleep, longer each time up to half a millisecond.
class Patience {
 public:
  void wait() {
    constexpr int kYields = 200;
    constexpr int kLongest = 500;
    if (++looks_ <= kYields) {
      std::this_thread::yield();
      return;
    }
    std::this_thread::sleep_for(std::chrono::microseconds(sleep_));
    sleep_ = std::min(kLongest, 2 * sleep_);
  }

 private:
  int looks_ = 0;
  int sleep_ = 10;
};

class MpiChannel final : public Channel {
 public:
  explicit MpiChannel(const MpiCalls& calls)
      : calls_(calls),
        rank_(calls.rank()),
        size_(calls.size()),
        inbox_(rank_, size_),
        arriving_(size_) {}

  ~MpiChannel() override {
    MpiChannel::leave();
    // Whoever has not left yet may still send, and MPI_Finalize would wait for it in a loop.
    Patience patience;
    const auto begin = std::chrono::steady_clock::now();
    const auto seconds = [&] {
      return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    };
    for (;;) {
      {
        const std::lock_guard lock(mutex_);
        progress();
        if (!inbox_.failed() && inbox_.all_left() && sending_.empty()) {
          calls_.finish();
          return;
        }
      }
      if (inbox_.failed() && (rank_ == 0 || seconds() > kLastWords)) break;
      patience.wait();
    }
    constexpr int kCode = 1;
    if (rank_ != 0) calls_.abort(kCode);
    // Rank 0 has said what there is to say and ends with its own exit code, without finish(): the
    // launcher takes that for a failure and ends the others.
  }

  [[nodiscard]] int rank() const override { return rank_; }
  [[nodiscard]] int size() const override { return size_; }

  void send(int to, const Subject& subject, std::span<const std::byte> bytes) override {
    const std::string what = fmt::format("send {} to rank {}", subject.what, to);
    inbox_.check(to, what);
    if (to == rank_) {
      inbox_.deliver(rank_, subject, {bytes.begin(), bytes.end()});
      return;
    }
    // MPI reads the bytes until the letter is sent, and a failure may end this call before: a copy.
    const auto sent = std::make_shared<std::atomic<bool>>(false);
    {
      const std::lock_guard lock(mutex_);
      begin(to, Kind::kLetter, subject, bytes, sent);
    }
    for (Patience patience;; patience.wait()) {
      {
        const std::lock_guard lock(mutex_);
        progress();
      }
      if (*sent) return;
      inbox_.check(to, what);
    }
  }

  std::optional<Letter> receive(int from, const Subject& subject, double seconds) override {
    const double until = elapsed_seconds() + seconds;
    Patience patience;
    for (;;) {
      {
        const std::lock_guard lock(mutex_);
        progress();
      }
      if (auto letter = inbox_.take(from, subject, 0)) return letter;
      if (elapsed_seconds() >= until) return std::nullopt;
      patience.wait();
    }
  }

  void fail(ErrorKind kind, const std::string& what) override {
    inbox_.mark_failed({rank_, kind, what});
    tell_all(Kind::kFailed, {0, static_cast<int>(kind), ""}, std::as_bytes(std::span(what)));
  }

  /// Once: who has heard it from all may end MPI.
  void leave() override {
    if (!leaving_.exchange(true)) tell_all(Kind::kLeft, {}, {});
  }

  [[nodiscard]] const std::atomic<bool>& broken() const override { return inbox_.broken(); }

 private:
  enum class Kind : std::int32_t { kLetter, kFailed, kLeft };
  struct Header {
    Kind kind = Kind::kLetter;
    std::int32_t tag = 0;
    std::uint64_t group = 0;
    std::uint64_t bytes = 0;
  };
  struct Sending {
    Header header;
    void* header_request = nullptr;
    void* bytes_request = nullptr;
    Bytes bytes;
    std::shared_ptr<std::atomic<bool>> sent;  // who waits for it looks here
  };
  struct Arriving {
    Header header;
    Bytes bytes;
    void* request = nullptr;
  };

  /// Under mutex_.
  void begin(int to, Kind kind, const Subject& subject, std::span<const std::byte> bytes,
             std::shared_ptr<std::atomic<bool>> sent) {
    Sending& s = sending_.emplace_back();
    s.header = {kind, subject.tag, subject.group, bytes.size()};
    s.bytes.assign(bytes.begin(), bytes.end());
    s.sent = std::move(sent);
    s.header_request = calls_.send(&s.header, sizeof s.header, to, kHeaderTag);
    s.bytes_request = calls_.send(s.bytes.data(), s.bytes.size(), to, kBytesTag);
  }

  void tell_all(Kind kind, const Subject& subject, std::span<const std::byte> bytes) {
    const std::lock_guard lock(mutex_);
    for (int r = 0; r < size_; ++r) {
      if (r != rank_) begin(r, kind, subject, bytes, nullptr);
    }
    progress();
  }

  /// Under mutex_: takes in what has come and lets MPI go on with what is on its way.
  void progress() {
    std::erase_if(sending_, [&](Sending& s) {
      if (s.header_request != nullptr && calls_.done(s.header_request)) s.header_request = nullptr;
      if (s.bytes_request != nullptr && calls_.done(s.bytes_request)) s.bytes_request = nullptr;
      const bool done = s.header_request == nullptr && s.bytes_request == nullptr;
      if (done && s.sent) *s.sent = true;
      return done;
    });
    Header header;
    int from = 0;
    while (calls_.look(&header, sizeof header, kHeaderTag, &from)) {
      Arriving& a = arriving_[from].emplace_back();
      a.header = header;
      a.bytes.resize(header.bytes);
      a.request = calls_.receive(a.bytes.data(), a.bytes.size(), from, kBytesTag);
    }
    for (int r = 0; r < size_; ++r) {
      // In their order, also where a short letter arrives before a long one.
      while (!arriving_[r].empty() && calls_.done(arriving_[r].front().request)) {
        deliver(r, arriving_[r].front());
        arriving_[r].pop_front();
      }
    }
  }

  void deliver(int from, Arriving& a) {
    if (a.header.kind == Kind::kLetter) {
      inbox_.deliver(from, {a.header.group, a.header.tag, ""}, std::move(a.bytes));
    } else if (a.header.kind == Kind::kFailed) {
      inbox_.mark_failed(told_failure(from, a.header.tag, a.bytes));
    } else if (a.header.kind == Kind::kLeft) {
      inbox_.mark_left(from);
    } else {
      inbox_.mark_failed({from, ErrorKind::kInternal, "it sent what is no letter"});
    }
  }

  const MpiCalls& calls_;
  const int rank_;
  const int size_;
  Inbox inbox_;
  std::atomic<bool> leaving_{false};
  std::mutex mutex_;  // around every call of MPI
  std::list<Sending> sending_;
  std::vector<std::deque<Arriving>> arriving_;  // [ranks]
};

}  // namespace

std::unique_ptr<Channel> join_mpi(const std::string& module) {
  // Open MPI loads parts of itself, which look for its symbols among the global ones.
  void* library = ::dlopen(module.c_str(), RTLD_NOW | RTLD_GLOBAL);
  if (library == nullptr) {
    throw Error(ErrorKind::kUnsupported,
                fmt::format("started by an MPI launcher, but MPI cannot be loaded: {}; build with "
                            "-DCORONET_MPI=ON, or set RANK, WORLD_SIZE, MASTER_ADDR and "
                            "MASTER_PORT for TCP",
                            ::dlerror()));
  }
  using Calls = const MpiCalls* (*)();
  const auto calls = reinterpret_cast<Calls>(::dlsym(library, kMpiSymbol));
  if (calls == nullptr) {
    throw Error(ErrorKind::kUnsupported, module + " is not a module of Coronet for MPI");
  }
  if (!calls()->start()) {
    throw Error(ErrorKind::kUnsupported, "this MPI can be called from one thread only");
  }
  return std::make_unique<MpiChannel>(*calls());
}

}  // namespace coronet::comm
