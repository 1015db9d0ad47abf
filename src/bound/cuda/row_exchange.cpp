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
void CudaRowExchange<T>::begin_gather(std::size_t places, int each, const T* share) {
  const auto ranks = static_cast<std::size_t>(group_.size());
  const std::size_t mine = places * each;
  begun_.push_back(take(ranks * mine));
  const std::vector<std::size_t> counts(ranks, mine);
  devices_.begin_all_gather(share, begun_.back().data(), counts);
}

template <class T>
void CudaRowExchange<T>::end_gather(std::size_t places, int each, const T* /*share*/, T* whole) {
  const auto ranks = static_cast<std::size_t>(group_.size());
  group_.met((ranks - 1) * places * each * sizeof(T), devices_.end_all_gather());
  cuda::regroup(device_, ranks, places, each, begun_.front().data(), whole);
  begun_.pop_front();
}

template <class T>
void CudaRowExchange<T>::begin_scatter_sum(std::size_t places, int each, const T* whole) {
  const auto ranks = static_cast<std::size_t>(group_.size());
  const std::size_t mine = places * each;
  begun_.push_back(take(ranks * mine));
  cuda::regroup(device_, places, ranks, each, whole, begun_.back().data());
  devices_.begin_reduce_scatter(begun_.back().data(), std::vector<std::size_t>(ranks, mine));
}

template <class T>
void CudaRowExchange<T>::end_scatter_sum(std::size_t places, int each, T* share, bool accumulate) {
  const auto ranks = static_cast<std::size_t>(group_.size());
  const std::size_t mine = places * each;
  const std::vector<std::size_t> counts(ranks, mine);
  const double seconds =
      devices_.end_reduce_scatter(begun_.front().data(), share, counts, accumulate);
  group_.met((ranks - 1) * mine * sizeof(T), seconds);
  begun_.pop_front();
}

template <class T>
void CudaRowExchange<T>::sum(std::size_t n, T* mine, T* to, bool accumulate) {
  const auto ranks = static_cast<std::size_t>(group_.size());
  const auto rank = static_cast<std::size_t>(group_.rank());
  std::vector<std::size_t> counts;
  for (std::size_t r = 0; r < ranks; ++r) counts.push_back(n * (r + 1) / ranks - n * r / ranks);
  T* const part = mine + n * rank / ranks;
  const double seconds =
      devices_.reduce_scatter(mine, part, counts, false) + devices_.all_gather(part, mine, counts);
  group_.met((n - counts[rank] + (ranks - 1) * counts[rank]) * sizeof(T), seconds);
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
