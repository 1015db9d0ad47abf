// The letters that have come to a rank, and what is known of the others.
#pragma once

#include <atomic>
#include <condition_variable>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "comm/channel.h"

namespace coronet::comm {

/// Filled by a transport's threads or by whoever else waits; the receiving half of a Channel.
class Inbox {
 public:
  Inbox(int rank, int size) : rank_(rank), left_(size, false) {}

  void deliver(int from, const Subject& subject, Bytes bytes);
  void mark_left(int rank);
  /// The first failure counts.
  void mark_failed(const Failure& failure);

  /// As Channel::receive.
  std::optional<Letter> take(int from, const Subject& subject, double seconds);
  /// Throws if a rank has failed, or `to` has left; `what`: what this rank was about to do.
  void check(int to, const std::string& what);

  [[nodiscard]] bool has_left(int rank) const;
  [[nodiscard]] bool all_left() const;
  [[nodiscard]] bool failed() const;
  [[nodiscard]] const std::atomic<bool>& broken() const { return broken_; }

 private:
  struct Entry {
    std::uint64_t group;
    int tag;
    Letter letter;
  };

  [[nodiscard]] bool gone(int from) const;
  [[noreturn]] void fail_to(const std::string& what) const;
  std::optional<Letter> find(int from, const Subject& subject);

  const int rank_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::list<Entry> letters_;
  std::vector<char> left_;  // [ranks]
  std::optional<Failure> failure_;
  std::atomic<bool> broken_{false};
};

}  // namespace coronet::comm
