#include "cuda/lent.h"

#include <cstring>
#include <string>
#include <utility>

#include "base/resources.h"
#include "cuda/check.h"

namespace coronet::cuda {

namespace {

/// Memory of another process that said these words, of which it may be on any device; null where it
/// cannot be read. For the current device.
void* open(const comm::Bytes& words) {
  cudaIpcMemHandle_t handle{};
  const std::string boot = boot_number();
  if (words.size() != sizeof handle + boot.size() ||
      std::memcmp(words.data() + sizeof handle, boot.data(), boot.size()) != 0) {
    return nullptr;
  }
  std::memcpy(&handle, words.data(), sizeof handle);
  void* at = nullptr;
  if (cudaIpcOpenMemHandle(&at, handle, cudaIpcMemLazyEnablePeerAccess) != cudaSuccess) {
    static_cast<void>(cudaGetLastError());
    return nullptr;
  }
  return at;
}

}  // namespace

Lent::Lent(std::size_t bytes) : memory_(bytes) {
  const std::string boot = boot_number();
  cudaIpcMemHandle_t handle{};
  if (boot.empty() || bytes == 0 || cudaIpcGetMemHandle(&handle, memory_.data()) != cudaSuccess) {
    static_cast<void>(cudaGetLastError());
    return;
  }
  words_.resize(sizeof handle + boot.size());
  std::memcpy(words_.data(), &handle, sizeof handle);
  std::memcpy(words_.data() + sizeof handle, boot.data(), boot.size());
}

Borrowed::Borrowed(const Device& device, const comm::Whereabouts& told)
    : held_(std::dynamic_pointer_cast<const Lent>(told.here)) {
  if (held_ == nullptr) {
    if (told.words.empty()) return;
    opened_ = open(told.words);
    data_ = static_cast<const std::byte*>(opened_);
    mapped_ = data_ != nullptr;
    return;
  }
  data_ = held_->data();
  const int theirs = held_->ordinal();
  const int mine = device.properties().ordinal;
  mapped_ = theirs == mine;
  if (mapped_) return;
  int reaches = 0;
  CORONET_CUDA_CHECK(cudaDeviceCanAccessPeer(&reaches, mine, theirs));
  if (reaches == 0) return;  // the driver takes copies through the host
  const cudaError_t enabled = cudaDeviceEnablePeerAccess(theirs, 0);
  if (enabled == cudaErrorPeerAccessAlreadyEnabled) {
    static_cast<void>(cudaGetLastError());
  } else {
    CORONET_CUDA_CHECK(enabled);
  }
  mapped_ = true;
}

void Borrowed::close() noexcept {
  if (opened_ != nullptr) report_failure(cudaIpcCloseMemHandle(opened_));
  opened_ = nullptr;
}

void Borrowed::swap(Borrowed& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(mapped_, other.mapped_);
  std::swap(held_, other.held_);
  std::swap(opened_, other.opened_);
}

}  // namespace coronet::cuda
