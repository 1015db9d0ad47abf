#include "cuda/apart.h"

#include "cuda/check.h"

namespace coronet::cuda {

namespace {

/// What is smaller shares a block of the driver's with others, and another process would be given
/// that.
constexpr std::size_t kBlock = std::size_t{2} << 20;

}  // namespace

Apart::Apart(std::size_t bytes) {
  if (bytes == 0) return;
  CORONET_CUDA_CHECK(cudaGetDevice(&ordinal_));
  void* at = nullptr;
  CORONET_CUDA_CHECK(cudaMalloc(&at, (bytes + kBlock - 1) / kBlock * kBlock));
  data_ = static_cast<std::byte*>(at);
}

Apart::~Apart() {
  if (data_ == nullptr) return;
  int current = 0;
  report_failure(cudaGetDevice(&current));
  report_failure(cudaSetDevice(ordinal_));
  report_failure(cudaFree(data_));
  report_failure(cudaSetDevice(current));
}

}  // namespace coronet::cuda
