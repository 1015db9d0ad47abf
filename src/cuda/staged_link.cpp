#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/resources.h"
#include "cuda/check.h"
#include "cuda/device_link.h"

namespace coronet::cuda {

namespace {

constexpr int kTag = 0;
constexpr const char* kWhat = "numbers of a device";

/// Pinned memory that numbers leave a device by; it grows to what was asked for at once.
class Gangway {
 public:
  Gangway() = default;
  ~Gangway() { reset(); }
  Gangway(const Gangway&) = delete;
  Gangway& operator=(const Gangway&) = delete;

  std::byte* room(std::size_t bytes) {
    if (bytes > bytes_) {
      reset();
      void* memory = nullptr;
      CORONET_CUDA_CHECK(cudaHostAlloc(&memory, bytes, cudaHostAllocDefault));
      memory_ = static_cast<std::byte*>(memory);
      bytes_ = bytes;
    }
    return memory_;
  }

 private:
  void reset() noexcept {
    if (memory_ != nullptr) report_failure(cudaFreeHost(memory_));
    memory_ = nullptr;
    bytes_ = 0;
  }

  std::byte* memory_ = nullptr;
  std::size_t bytes_ = 0;
};

class StagedLink final : public DeviceLink {
 public:
  StagedLink(Device& device, comm::Communicator group, std::string why)
      : device_(device), group_(std::move(group)), why_(std::move(why)) {}

  void begin(std::span<const Outgoing> out, std::span<const Incoming> in) override {
    const int n = group_.size();
    const int mine = group_.rank();
    std::size_t bytes = 0;
    for (int r = 0; r < n; ++r) bytes += r == mine ? 0 : out[r].bytes;
    std::byte* const leaving = gangway_.room(bytes);
    // All at once: the device is waited for once.
    std::size_t at = 0;
    for (int k = 1; k < n; ++k) {
      const Outgoing& piece = out[(mine + k) % n];
      if (piece.bytes > 0) {
        CORONET_CUDA_CHECK(cudaMemcpyAsync(leaving + at, piece.data, piece.bytes,
                                           cudaMemcpyDeviceToHost, device_.stream()));
      }
      at += piece.bytes;
    }
    device_.wait();
    const double begin = elapsed_seconds();
    at = 0;
    for (int k = 1; k < n; ++k) {
      const int to = (mine + k) % n;
      if (out[to].bytes > 0) group_.send(to, kTag, kWhat, {leaving + at, out[to].bytes});
      at += out[to].bytes;
    }
    begun_.push_back({{in.begin(), in.end()}, elapsed_seconds() - begin});
  }

  double end() override {
    const double begin = elapsed_seconds();
    const Begun begun = std::move(begun_.front());
    begun_.pop_front();
    const int n = group_.size();
    for (int k = 1; k < n; ++k) {
      const int from = (group_.rank() + n - k) % n;
      const Incoming& piece = begun.in[from];
      if (piece.bytes > 0) take(group_.receive(from, kTag, kWhat), piece);
    }
    return begun.seconds + elapsed_seconds() - begin;
  }

  /// The device is waited for before anything leaves.
  [[nodiscard]] bool overlaps() const override { return false; }

  [[nodiscard]] std::string name() const override { return fmt::format("host memory ({})", why_); }

 private:
  struct Begun {
    std::vector<Incoming> in;
    double seconds;
  };

  void take(const comm::Letter& letter, const Incoming& piece) {
    if (letter.bytes.size() != piece.bytes) {
      throw Error(ErrorKind::kInternal, fmt::format("{}: {} bytes came where {} are expected",
                                                    kWhat, letter.bytes.size(), piece.bytes));
    }
    for (std::size_t at = 0; at < piece.bytes; at += Staging::kBytes) {
      const std::size_t bytes = std::min(Staging::kBytes, piece.bytes - at);
      device_.stage(bytes, static_cast<std::byte*>(piece.data) + at,
                    [&](void* room) { std::memcpy(room, letter.bytes.data() + at, bytes); });
    }
  }

  Device& device_;
  comm::Communicator group_;
  std::string why_;
  Gangway gangway_;
  std::deque<Begun> begun_;
};

}  // namespace

std::unique_ptr<DeviceLink> staged_link(Device& device, comm::Communicator group, std::string why) {
  return std::make_unique<StagedLink>(device, std::move(group), std::move(why));
}

std::unique_ptr<DeviceLink> open_link(Device& device, const comm::Communicator& group) {
  std::string why;
  if (auto link = nccl_link(device, group, why)) return link;
  return staged_link(device, group, std::move(why));
}

}  // namespace coronet::cuda
