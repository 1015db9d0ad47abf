// Collectives of arrays in device memory.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <span>
#include <string>

#include "cuda/device.h"
#include "cuda/device_link.h"

namespace coronet::cuda {

/// The devices of a group of ranks. All members call the same collectives in the same order; they
/// throw as DeviceLink::exchange does. Sums are formed on the devices in the order of the ranks:
/// their bits are those of comm::Communicator, on every member, in every run and over every link.
/// Queued on the device's stream, as what they follow and what follows them is. T: float or double.
class DeviceGroup {
 public:
  /// As all members. Refers to the device and to the group's channel.
  DeviceGroup(Device& device, comm::Communicator group);
  /// Over a link of the caller's choice.
  DeviceGroup(Device& device, const comm::Communicator& group, std::unique_ptr<DeviceLink> link)
      : device_(device), rank_(group.rank()), size_(group.size()), link_(std::move(link)) {}

  [[nodiscard]] int rank() const { return rank_; }
  [[nodiscard]] int size() const { return size_; }
  /// How numbers get from device to device, and why so: DeviceLink::name().
  [[nodiscard]] std::string link() const { return link_->name(); }

  /// DeviceLink::overlaps(): may collectives be begun and ended with others, of either kind, and
  /// work for the device between? They end in the order in which they began.
  [[nodiscard]] bool overlaps() const { return link_->overlaps(); }

  /// all = the members' parts, one behind the other; member r gives counts[r] numbers. `mine` may
  /// be this member's part of `all`. Returns DeviceLink::end()'s seconds.
  template <class T>
  double all_gather(const T* mine, T* all, std::span<const std::size_t> counts) {
    begin_all_gather(mine, all, counts);
    return end_all_gather();
  }
  template <class T>
  void begin_all_gather(const T* mine, T* all, std::span<const std::size_t> counts);
  double end_all_gather() { return link_->end(); }

  /// mine = or += part `rank` of the sum of the members' `all`, part r being counts[r] numbers.
  /// `mine` may be this member's part of `all`.
  template <class T>
  double reduce_scatter(const T* all, T* mine, std::span<const std::size_t> counts,
                        bool accumulate) {
    begin_reduce_scatter(all, counts);
    return end_reduce_scatter(all, mine, counts, accumulate);
  }
  template <class T>
  void begin_reduce_scatter(const T* all, std::span<const std::size_t> counts);
  template <class T>
  double end_reduce_scatter(const T* all, T* mine, std::span<const std::size_t> counts,
                            bool accumulate);

 private:
  Device& device_;
  int rank_;
  int size_;
  std::unique_ptr<DeviceLink> link_;
  std::deque<Buffer<std::byte>> terms_;  // the other ranks', of sums on their way
};

}  // namespace coronet::cuda
