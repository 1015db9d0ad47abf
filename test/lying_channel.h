// A channel that changes what its rank says.
#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "comm/channel.h"

namespace coronet::test {

class Lying final : public comm::Channel {
 public:
  /// May change a letter, and says whether it did; called for one at a time, until it did.
  using Change = std::function<bool(const comm::Subject& subject, comm::Bytes& bytes)>;

  Lying(comm::Channel& inner, Change change) : inner_(inner), change_(std::move(change)) {}
  [[nodiscard]] int rank() const override { return inner_.rank(); }
  [[nodiscard]] int size() const override { return inner_.size(); }
  void send(int to, const comm::Subject& subject, std::span<const std::byte> bytes) override {
    comm::Bytes said(bytes.begin(), bytes.end());
    {
      const std::lock_guard lock(mutex_);
      if (change_ && change_(subject, said)) change_ = nullptr;
    }
    inner_.send(to, subject, said);
  }
  std::optional<comm::Letter> receive(int from, const comm::Subject& subject,
                                      double seconds) override {
    return inner_.receive(from, subject, seconds);
  }
  void fail(ErrorKind kind, const std::string& what) override { inner_.fail(kind, what); }
  void leave() override { inner_.leave(); }
  [[nodiscard]] const std::atomic<bool>& broken() const override { return inner_.broken(); }

 private:
  comm::Channel& inner_;
  std::mutex mutex_;
  Change change_;
};

}  // namespace coronet::test
