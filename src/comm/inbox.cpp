#include "comm/inbox.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

namespace coronet::comm {

namespace {

std::string wait_words(int from, const char* what) {
  return from == kAny ? fmt::format("wait for {} from any rank", what)
                      : fmt::format("wait for {} from rank {}", what, from);
}

}  // namespace

void Inbox::deliver(int from, const Subject& subject, Bytes bytes) {
  {
    const std::lock_guard lock(mutex_);
    letters_.push_back({subject.group, subject.tag, {from, std::move(bytes)}});
  }
  changed_.notify_all();
}

void Inbox::mark_left(int rank) {
  {
    const std::lock_guard lock(mutex_);
    left_[rank] = true;
    if (rank == 0 && rank_ != 0) broken_ = true;
  }
  changed_.notify_all();
}

void Inbox::mark_failed(const Failure& failure) {
  {
    const std::lock_guard lock(mutex_);
    if (!failure_) failure_ = failure;
    broken_ = true;
  }
  changed_.notify_all();
}

bool Inbox::has_left(int rank) const {
  const std::lock_guard lock(mutex_);
  return left_[rank] != 0;
}

bool Inbox::all_left() const {
  const std::lock_guard lock(mutex_);
  return gone(kAny);
}

bool Inbox::failed() const {
  const std::lock_guard lock(mutex_);
  return failure_.has_value();
}

/// Can no letter come from there any more?
bool Inbox::gone(int from) const {
  if (from != kAny) return left_[from] != 0;
  int there = 0;
  for (int r = 0; r < static_cast<int>(left_.size()); ++r) there += r != rank_ && left_[r] == 0;
  return there == 0;
}

void Inbox::fail_to(const std::string& what) const {
  const Failure& f = *failure_;
  if (f.rank == rank_) throw Error(f.kind, f.what);
  throw Error(f.kind, fmt::format("rank {} failed: {} (rank {} could not {})", f.rank, f.what,
                                  rank_, what));
}

void Inbox::check(int to, const std::string& what) {
  const std::lock_guard lock(mutex_);
  if (failure_) fail_to(what);
  if (left_[to] != 0) {
    throw RankLeft(fmt::format("rank {} has left: rank {} could not {}", to, rank_, what));
  }
}

std::optional<Letter> Inbox::find(int from, const Subject& subject) {
  const auto found = std::find_if(letters_.begin(), letters_.end(), [&](const Entry& e) {
    return e.group == subject.group && e.tag == subject.tag &&
           (from == kAny || e.letter.from == from);
  });
  if (found == letters_.end()) return std::nullopt;
  Letter letter = std::move(found->letter);
  letters_.erase(found);
  return letter;
}

std::optional<Letter> Inbox::take(int from, const Subject& subject, double seconds) {
  using Clock = std::chrono::steady_clock;
  constexpr double kLong = 1e6;  // what the clock can count
  const auto until = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                        std::chrono::duration<double>(std::min(seconds, kLong)));
  std::unique_lock lock(mutex_);
  for (;;) {
    if (failure_) fail_to(wait_words(from, subject.what));
    if (auto letter = find(from, subject)) return letter;
    if (from != rank_ && gone(from)) {
      const std::string who = from == kAny ? "every other rank" : fmt::format("rank {}", from);
      throw RankLeft(fmt::format("{} has left: rank {} could not {}", who, rank_,
                                 wait_words(from, subject.what)));
    }
    if (seconds <= 0) return std::nullopt;
    if (seconds >= kLong) {
      changed_.wait(lock);
    } else if (changed_.wait_until(lock, until) == std::cv_status::timeout) {
      seconds = 0;  // one last look
    }
  }
}

}  // namespace coronet::comm
