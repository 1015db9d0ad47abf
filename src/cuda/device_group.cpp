#include "cuda/device_group.h"

#include <utility>
#include <vector>

#include "cuda/parts.h"

namespace coronet::cuda {

namespace {

/// Where each part begins, and where the last one ends.
std::vector<std::size_t> places(std::span<const std::size_t> counts) {
  std::vector<std::size_t> at(counts.size() + 1, 0);
  for (std::size_t r = 0; r < counts.size(); ++r) at[r + 1] = at[r] + counts[r];
  return at;
}

}  // namespace

DeviceGroup::DeviceGroup(Device& device, comm::Communicator group)
    : device_(device), rank_(group.rank()), size_(group.size()), link_(open_link(device, group)) {}

template <class T>
void DeviceGroup::begin_all_gather(const T* mine, T* all, std::span<const std::size_t> counts) {
  const std::vector<std::size_t> at = places(counts);
  std::vector<Outgoing> out;
  std::vector<Incoming> in;
  for (int r = 0; r < size_; ++r) {
    out.push_back({mine, counts[rank_] * sizeof(T)});
    in.push_back({all + at[r], counts[r] * sizeof(T)});
  }
  if (all + at[rank_] != mine) device_.copy(all + at[rank_], mine, counts[rank_] * sizeof(T));
  link_->begin(out, in);
}

template <class T>
void DeviceGroup::begin_reduce_scatter(const T* all, std::span<const std::size_t> counts) {
  const std::vector<std::size_t> at = places(counts);
  const std::size_t bytes = counts[rank_] * sizeof(T);
  terms_.push_back(device_.take<std::byte>(bytes * static_cast<std::size_t>(size_),
                                           Tensor::kWorkspace, "the other ranks' terms of a sum"));
  std::byte* const others = terms_.back().data();
  std::vector<Outgoing> out;
  std::vector<Incoming> in;
  for (int r = 0; r < size_; ++r) {
    out.push_back({all + at[r], counts[r] * sizeof(T)});
    in.push_back({others + static_cast<std::size_t>(r) * bytes, bytes});
  }
  link_->begin(out, in);
}

template <class T>
double DeviceGroup::end_reduce_scatter(const T* all, T* mine, std::span<const std::size_t> counts,
                                       bool accumulate) {
  const double seconds = link_->end();
  const T* const others = reinterpret_cast<const T*>(terms_.front().data());
  add_parts(device_, counts[rank_], size_, rank_, all + places(counts)[rank_], others, mine,
            accumulate);
  terms_.pop_front();
  return seconds;
}

#define CORONET_COLLECTIVES(T)                                                             \
  template void DeviceGroup::begin_all_gather(const T*, T*, std::span<const std::size_t>); \
  template void DeviceGroup::begin_reduce_scatter(const T*, std::span<const std::size_t>); \
  template double DeviceGroup::end_reduce_scatter(const T*, T*, std::span<const std::size_t>, bool);
CORONET_COLLECTIVES(float)
CORONET_COLLECTIVES(double)
#undef CORONET_COLLECTIVES

}  // namespace coronet::cuda
