// Rows on CUDA devices, put together by the ranks that share the neurons.
#pragma once

#include <cstddef>
#include <deque>
#include <vector>

#include "bound/tensor/row_exchange.h"
#include "cuda/device_group.h"

namespace coronet::bound {

/// Each rank's rows are on its device. Sums are formed rank by rank, as the host forms them.
template <class T>
class CudaRowExchange final : public RowExchange<T> {
 public:
  /// Of whole nodes, about so many bytes at a time: more than on a CPU, since each block is a few
  /// launches and a word with the others.
  static constexpr std::size_t kBlockBytes = std::size_t{16} << 20;
  /// Blocks that are there at most: whole rows, and, of each that is on its way, the same in the
  /// order of ranks and the others'.
  static constexpr std::size_t kBlocks = 1 + 2 * cuda::DeviceLink::kAhead;

  /// `devices`: the group's. Refers to all of them.
  CudaRowExchange(cuda::Device& device, cuda::DeviceGroup& devices, TensorGroup& group)
      : device_(device), devices_(devices), group_(group) {}

  [[nodiscard]] int block_rows(std::size_t row_bytes, int least) const override;
  T* room(int number, std::size_t n) override;
  [[nodiscard]] bool overlaps() const override { return devices_.overlaps(); }
  void begin_gather(std::size_t places, int each, const T* share) override;
  void end_gather(std::size_t places, int each, const T* share, T* whole) override;
  void begin_scatter_sum(std::size_t places, int each, const T* whole) override;
  void end_scatter_sum(std::size_t places, int each, T* share, bool accumulate) override;
  void sum(std::size_t n, T* mine, T* to, bool accumulate) override;

 private:
  [[nodiscard]] cuda::Buffer<T> take(std::size_t n) {
    return device_.take<T>(n, cuda::Tensor::kWorkspace, "rows in the order of ranks");
  }

  cuda::Device& device_;
  cuda::DeviceGroup& devices_;
  TensorGroup& group_;
  std::vector<cuda::Buffer<T>> rooms_;
  std::deque<cuda::Buffer<T>> begun_;  // in the order of ranks, one for each that is not ended
};

}  // namespace coronet::bound
