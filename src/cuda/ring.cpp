#include "cuda/ring.h"

#include "cuda/check.h"

namespace coronet::cuda {

TileRing::TileRing(Device& device, std::size_t tile, std::size_t converted)
    : device_(device), bytes_(bytes_of(tile, converted)) {
  device.arena().set_aside(bytes_, Tensor::kWorkspace, "tiles of weights on their way");
  try {
    memory_ = std::make_unique<Apart>(bytes_);
    // Products fill the device; what they wait for next goes first.
    int least = 0;
    int greatest = 0;
    CORONET_CUDA_CHECK(cudaDeviceGetStreamPriorityRange(&least, &greatest));
    CORONET_CUDA_CHECK(cudaStreamCreateWithPriority(&copies_, cudaStreamNonBlocking, greatest));
    for (int i = 0; i < kSlots; ++i) {
      slots_[i].memory = memory_->data() + i * rounded(tile);
      CORONET_CUDA_CHECK(cudaEventCreateWithFlags(&slots_[i].arrived, cudaEventDisableTiming));
      CORONET_CUDA_CHECK(cudaEventCreateWithFlags(&slots_[i].released, cudaEventDisableTiming));
    }
  } catch (...) {
    close();
    throw;
  }
  converted_ = memory_->data() + kSlots * rounded(tile);
}

TileRing::~TileRing() {
  report_failure(cudaSetDevice(device_.properties().ordinal));
  report_failure(cudaStreamSynchronize(copies_));
  report_failure(cudaStreamSynchronize(device_.stream()));
  close();
}

void TileRing::close() noexcept {
  const auto destroy = [](const auto& waits) {
    for (const auto& [before, after] : waits) {
      report_failure(cudaEventDestroy(before));
      report_failure(cudaEventDestroy(after));
    }
  };
  destroy(waits_);
  destroy(spare_);
  for (const Slot& slot : slots_) {
    if (slot.arrived != nullptr) report_failure(cudaEventDestroy(slot.arrived));
    if (slot.released != nullptr) report_failure(cudaEventDestroy(slot.released));
  }
  staging_.reset();
  if (copies_ != nullptr) report_failure(cudaStreamDestroy(copies_));
  device_.arena().take_back(bytes_, Tensor::kWorkspace);
}

std::byte* TileRing::begin(int slot) {
  // Never recorded before the first use: then there is nothing to wait for.
  CORONET_CUDA_CHECK(cudaStreamWaitEvent(copies_, slots_[slot].released, 0));
  return slots_[slot].memory;
}

const std::byte* TileRing::arrive(int slot, bool timed) {
  CORONET_CUDA_CHECK(cudaEventRecord(slots_[slot].arrived, copies_));
  Wait wait;
  timed = timed && arrivals_++ % kTimed == 0;
  if (timed) {
    wait = spare_wait();
    waits_.push_back(wait);
    CORONET_CUDA_CHECK(cudaEventRecord(wait.first, device_.stream()));
  }
  CORONET_CUDA_CHECK(cudaStreamWaitEvent(device_.stream(), slots_[slot].arrived, 0));
  if (timed) CORONET_CUDA_CHECK(cudaEventRecord(wait.second, device_.stream()));
  return slots_[slot].memory;
}

void TileRing::release(int slot) {
  CORONET_CUDA_CHECK(cudaEventRecord(slots_[slot].released, device_.stream()));
}

TileRing::Wait TileRing::spare_wait() {
  if (spare_.empty()) {
    Wait wait{};
    CORONET_CUDA_CHECK(cudaEventCreate(&wait.first));
    CORONET_CUDA_CHECK(cudaEventCreate(&wait.second));
    return wait;
  }
  const Wait wait = spare_.back();
  spare_.pop_back();
  return wait;
}

double TileRing::waited() {
  double seconds = 0;
  while (!waits_.empty()) {
    const auto [before, after] = waits_.front();
    const cudaError_t state = cudaEventQuery(after);
    if (state == cudaErrorNotReady) {
      static_cast<void>(cudaGetLastError());  // it is no error
      break;
    }
    CORONET_CUDA_CHECK(state);
    float milliseconds = 0;
    CORONET_CUDA_CHECK(cudaEventElapsedTime(&milliseconds, before, after));
    seconds += kTimed * milliseconds * 1e-3;
    spare_.push_back(waits_.front());
    waits_.pop_front();
  }
  return seconds;
}

}  // namespace coronet::cuda
