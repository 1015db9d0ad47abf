// How bytes get from the device of one rank to those of others.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "comm/communicator.h"
#include "cuda/device.h"

namespace coronet::cuda {

/// Bytes in device memory.
struct Outgoing {
  const void* data = nullptr;
  std::size_t bytes = 0;
};
struct Incoming {
  void* data = nullptr;
  std::size_t bytes = 0;
};

/// Between the members of a group, of which each has a device; they may share one. For the thread
/// that drives the device.
class DeviceLink {
 public:
  virtual ~DeviceLink() = default;
  DeviceLink() = default;
  DeviceLink(const DeviceLink&) = delete;
  DeviceLink& operator=(const DeviceLink&) = delete;

  /// The first half of an exchange, as all members, at the same time: out[r] goes to member r, as
  /// its in[rank]; both [members], what a member has for itself is not looked at. Sizes agree. What
  /// is queued on the device's stream before sees the old numbers, and makes those that leave.
  /// Throws as Communicator::receive does once a rank has failed, and Error(kRank) where the way is
  /// broken.
  virtual void begin(std::span<const Outgoing> out, std::span<const Incoming> in) = 0;
  /// The second half of the exchange that was begun first: what is queued on the device's stream
  /// from now on sees the new numbers. Returns the seconds of it in which the device had nothing
  /// else to do. Throws as begin() does.
  virtual double end() = 0;
  /// May work for the device be queued between the halves, and another exchange be begun (kAhead of
  /// them are on their way at most)? Otherwise each is ended at once.
  [[nodiscard]] virtual bool overlaps() const = 0;
  static constexpr int kAhead = 2;

  double exchange(std::span<const Outgoing> out, std::span<const Incoming> in) {
    begin(out, in);
    return end();
  }

  /// "NCCL 2.27.3", "host memory (ranks share a GPU)"
  [[nodiscard]] virtual std::string name() const = 0;
};

/// By NCCL where all members have it and a GPU of their own, or through the host otherwise, and
/// name() says why. As all members; refers to the device and to the group's channel.
std::unique_ptr<DeviceLink> open_link(Device& device, const comm::Communicator& group);

/// Through pinned memory of the host, by letters. `why`: for name().
std::unique_ptr<DeviceLink> staged_link(Device& device, comm::Communicator group, std::string why);

/// By NCCL; null, and the reason in `why`, on all members alike where that cannot be.
std::unique_ptr<DeviceLink> nccl_link(Device& device, comm::Communicator group, std::string& why);

}  // namespace coronet::cuda
