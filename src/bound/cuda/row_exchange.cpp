#include "bound/cuda/row_exchange.h"

#include <algorithm>

#include "cuda/moves.h"
#include "cuda/parts.h"

namespace coronet::bound {

template <class T>
int CudaRowExchange<T>::block_rows(std::size_t row_bytes, int least) const {
  return std::max(static_cast<int>(kBlockBytes / std::max<std::size_t>(row_bytes, 1)), least);
}

template <class T>
T* CudaRowExchange<T>::room(int number, std::size_t n) {
  if (rooms_.size() <= static_cast<std::size_t>(number)) rooms_.resize(number + 1);
  cuda::Buffer<T>& room = rooms_[number];
  if (room.size() < n) {
    room.reset();  // free first: the old contents are not wanted
    room = device_.take<T>(n, cuda::Tensor::kWorkspace, "rows of whole nodes");
  }
  return room.data();
}

template <class T>
template <class Fn>
void CudaRowExchange<T>::meet(std::size_t numbers, const Fn& fn) {
  device_.wait();
  group_.meet(numbers * sizeof(T), [&] {
    fn();
    device_.wait();
  });
}

template <class T>
void CudaRowExchange<T>::gather(std::size_t places, int each, const T* share, T* whole) {
  const auto ranks = static_cast<std::size_t>(group_.size());
  const std::size_t mine = places * each;
  const cuda::Buffer<T> packed = take(ranks * mine);
  const std::vector<std::size_t> counts(ranks, mine);
  meet((ranks - 1) * mine, [&] { devices_.all_gather(share, packed.data(), counts); });
  cuda::regroup(device_, ranks, places, each, packed.data(), whole);
}

template <class T>
void CudaRowExchange<T>::scatter_sum(std::size_t places, int each, const T* whole, T* share,
                                     bool accumulate) {
  const auto ranks = static_cast<std::size_t>(group_.size());
  const std::size_t mine = places * each;
  const cuda::Buffer<T> packed = take(ranks * mine);
  cuda::regroup(device_, places, ranks, each, whole, packed.data());
  const std::vector<std::size_t> counts(ranks, mine);
  meet((ranks - 1) * mine,
       [&] { devices_.reduce_scatter(packed.data(), share, counts, accumulate); });
}

template <class T>
void CudaRowExchange<T>::sum(std::size_t n, T* mine, T* to, bool accumulate) {
  const auto ranks = static_cast<std::size_t>(group_.size());
  const auto rank = static_cast<std::size_t>(group_.rank());
  std::vector<std::size_t> counts;
  for (std::size_t r = 0; r < ranks; ++r) counts.push_back(n * (r + 1) / ranks - n * r / ranks);
  T* const part = mine + n * rank / ranks;
  meet(n - counts[rank] + (ranks - 1) * counts[rank], [&] {
    devices_.reduce_scatter(mine, part, counts, false);
    devices_.all_gather(part, mine, counts);
  });
  if (mine == to) return;
  if (accumulate) {
    cuda::add(device_, n, mine, to);
  } else {
    device_.copy(to, mine, n * sizeof(T));
  }
}

template class CudaRowExchange<float>;
template class CudaRowExchange<double>;

}  // namespace coronet::bound
