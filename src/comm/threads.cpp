#include "comm/threads.h"

#include <exception>
#include <mutex>
#include <thread>
#include <utility>

#include "comm/inbox.h"
#include "comm/run_as.h"

namespace coronet::comm {

namespace {

using Inboxes = std::vector<std::unique_ptr<Inbox>>;

class ThreadChannel final : public Channel {
 public:
  ThreadChannel(std::shared_ptr<Inboxes> inboxes, int rank)
      : inboxes_(std::move(inboxes)), rank_(rank) {}
  ~ThreadChannel() override { ThreadChannel::leave(); }

  [[nodiscard]] int rank() const override { return rank_; }
  [[nodiscard]] int size() const override { return static_cast<int>(inboxes_->size()); }

  void send(int to, const Subject& subject, std::span<const std::byte> bytes) override {
    mine().check(to, std::string("send ") + subject.what);
    (*inboxes_)[to]->deliver(rank_, subject, {bytes.begin(), bytes.end()});
  }
  std::optional<Letter> receive(int from, const Subject& subject, double seconds) override {
    return mine().take(from, subject, seconds);
  }
  void fail(ErrorKind kind, const std::string& what) override {
    for (const auto& inbox : *inboxes_) inbox->mark_failed({rank_, kind, what});
  }
  void leave() override {
    for (const auto& inbox : *inboxes_) inbox->mark_left(rank_);
  }
  [[nodiscard]] const std::atomic<bool>& broken() const override { return mine().broken(); }

 private:
  [[nodiscard]] Inbox& mine() const { return *(*inboxes_)[rank_]; }

  std::shared_ptr<Inboxes> inboxes_;
  int rank_;
};

}  // namespace

std::vector<std::unique_ptr<Channel>> thread_channels(int count) {
  auto inboxes = std::make_shared<Inboxes>();
  for (int r = 0; r < count; ++r) inboxes->push_back(std::make_unique<Inbox>(r, count));
  std::vector<std::unique_ptr<Channel>> channels;
  for (int r = 0; r < count; ++r) channels.push_back(std::make_unique<ThreadChannel>(inboxes, r));
  return channels;
}

void run_threads(std::vector<std::unique_ptr<Channel>> channels,
                 const std::function<void(Channel&)>& f) {
  std::mutex mutex;
  std::exception_ptr first;
  const auto run = [&](int rank) {
    try {
      run_as(*channels[rank], f);
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!first || rank == 0) first = std::current_exception();
    }
    // In its own thread: leaving waits for the others to leave, for a while.
    channels[rank].reset();
  };
  std::vector<std::thread> threads;
  try {
    for (int r = 1; r < static_cast<int>(channels.size()); ++r) threads.emplace_back(run, r);
    run(0);
  } catch (const std::exception& e) {  // the system gives no more threads
    channels[0]->fail(ErrorKind::kRank, std::string("a rank's thread did not start: ") + e.what());
    first = std::current_exception();
  }
  for (std::thread& thread : threads) thread.join();
  if (first) std::rethrow_exception(first);
}

}  // namespace coronet::comm
