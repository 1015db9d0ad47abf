// A channel that passes everything on, for those that do something else with what is said.
#pragma once

#include <atomic>
#include <optional>
#include <span>
#include <string>

#include "comm/channel.h"

namespace coronet::test {

class Passing : public comm::Channel {
 public:
  explicit Passing(comm::Channel& inner) : inner_(inner) {}
  [[nodiscard]] int rank() const override { return inner_.rank(); }
  [[nodiscard]] int size() const override { return inner_.size(); }
  void send(int to, const comm::Subject& subject, std::span<const std::byte> bytes) override {
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
};

}  // namespace coronet::test
