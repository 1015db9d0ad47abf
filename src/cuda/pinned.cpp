#include "cuda/pinned.h"

#include "cuda/check.h"

namespace coronet::cuda {

PinnedMemory::~PinnedMemory() {
  for (const auto& [bytes, p] : free_) report_failure(cudaFreeHost(p));
  for (const auto& [p, bytes] : taken_) report_failure(cudaFreeHost(p));
}

void* PinnedMemory::take(std::size_t bytes) {
  const auto fits = free_.lower_bound(bytes);
  if (fits != free_.end() && fits->first <= 2 * bytes) {
    void* const p = fits->second;
    taken_.emplace(p, fits->first);
    free_.erase(fits);
    return p;
  }
  CORONET_CUDA_CHECK(cudaSetDevice(ordinal_));
  void* p = nullptr;
  if (cudaHostAlloc(&p, bytes, cudaHostAllocDefault) != cudaSuccess) {
    static_cast<void>(cudaGetLastError());  // the next launch is not to blame
    return nullptr;
  }
  taken_.emplace(p, bytes);
  return p;
}

void* PinnedMemory::do_allocate(std::size_t bytes, std::size_t alignment) {
  if (bytes >= kLeast) {
    const std::lock_guard lock(mutex_);
    if (void* const p = take(bytes)) return p;
  }
  return std::pmr::new_delete_resource()->allocate(bytes, alignment);
}

void PinnedMemory::do_deallocate(void* p, std::size_t bytes, std::size_t alignment) {
  if (bytes >= kLeast) {
    const std::lock_guard lock(mutex_);
    if (const auto block = taken_.find(p); block != taken_.end()) {
      free_.emplace(block->second, p);
      taken_.erase(block);
      return;
    }
  }
  std::pmr::new_delete_resource()->deallocate(p, bytes, alignment);
}

}  // namespace coronet::cuda
