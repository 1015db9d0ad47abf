#include "cuda/pinned.h"

#include "cuda/check.h"

namespace coronet::cuda {

PinnedMemory::~PinnedMemory() {
  for (const Block& block : blocks_) report_failure(cudaFreeHost(block.at));
}

void* PinnedMemory::take(std::size_t bytes) {
  Block* best = nullptr;
  for (Block& block : blocks_) {
    const bool fits = block.free && block.bytes >= bytes && block.bytes <= 2 * bytes;
    if (fits && (best == nullptr || block.bytes < best->bytes)) best = &block;
  }
  if (best != nullptr) {
    best->free = false;
    return best->at;
  }
  CORONET_CUDA_CHECK(cudaSetDevice(ordinal_));
  blocks_.emplace_back();
  if (cudaHostAlloc(&blocks_.back().at, bytes, cudaHostAllocDefault) != cudaSuccess) {
    static_cast<void>(cudaGetLastError());  // the next launch is not to blame
    blocks_.pop_back();
    return nullptr;
  }
  blocks_.back().bytes = bytes;
  return blocks_.back().at;
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
    for (Block& block : blocks_) {
      if (block.at != p) continue;
      block.free = true;
      return;
    }
  }
  std::pmr::new_delete_resource()->deallocate(p, bytes, alignment);
}

}  // namespace coronet::cuda
