// A channel that changes what its rank says.
#pragma once

#include <functional>
#include <mutex>
#include <span>
#include <utility>

#include "passing_channel.h"

namespace coronet::test {

class Lying final : public Passing {
 public:
  /// May change a letter, and says whether it did; called for one at a time, until it did.
  using Change = std::function<bool(const comm::Subject& subject, comm::Bytes& bytes)>;

  Lying(comm::Channel& inner, Change change) : Passing(inner), change_(std::move(change)) {}
  void send(int to, const comm::Subject& subject, std::span<const std::byte> bytes) override {
    comm::Bytes said(bytes.begin(), bytes.end());
    {
      const std::lock_guard lock(mutex_);
      if (change_ && change_(subject, said)) change_ = nullptr;
    }
    Passing::send(to, subject, said);
  }

 private:
  std::mutex mutex_;
  Change change_;
};

}  // namespace coronet::test
