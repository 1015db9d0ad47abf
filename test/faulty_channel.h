// A channel that is slow, and that ends or throws at its n-th letter.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <utility>

#include "comm/channel.h"

namespace coronet::test {

class Faulty final : public comm::Channel {
 public:
  Faulty(comm::Channel& inner, double delay, int last, std::function<void()> at_last)
      : inner_(inner), delay_(delay), left_(last), at_last_(std::move(at_last)) {}
  [[nodiscard]] int rank() const override { return inner_.rank(); }
  [[nodiscard]] int size() const override { return inner_.size(); }
  void send(int to, const comm::Subject& subject, std::span<const std::byte> bytes) override {
    if (delay_ > 0) std::this_thread::sleep_for(std::chrono::duration<double>(delay_));
    if (left_-- == 0) at_last_();
    inner_.send(to, subject, bytes);
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
  double delay_;
  std::atomic<int> left_;
  std::function<void()> at_last_;
};

}  // namespace coronet::test
