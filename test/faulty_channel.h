// A channel that is slow, and that ends or throws at its n-th letter.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <span>
#include <thread>
#include <utility>

#include "passing_channel.h"

namespace coronet::test {

class Faulty final : public Passing {
 public:
  Faulty(comm::Channel& inner, double delay, int last, std::function<void()> at_last)
      : Passing(inner), delay_(delay), left_(last), at_last_(std::move(at_last)) {}
  void send(int to, const comm::Subject& subject, std::span<const std::byte> bytes) override {
    if (delay_ > 0) std::this_thread::sleep_for(std::chrono::duration<double>(delay_));
    if (left_-- == 0) at_last_();
    Passing::send(to, subject, bytes);
  }

 private:
  double delay_;
  std::atomic<int> left_;
  std::function<void()> at_last_;
};

}  // namespace coronet::test
