#include "cuda/warming.h"

#include <cstddef>
#include <system_error>

#include "cuda/check.h"

namespace coronet::cuda {

namespace {

/// Large enough for cuBLAS to choose kernels that large products have too.
constexpr int kSize = 1024;

template <class T>
void form(Device& device, Precision precision) {
  constexpr std::size_t kCount = std::size_t{kSize} * kSize;
  const char* const what = "a product that loads kernels";
  const auto a = device.take<T>(kCount, Tensor::kWorkspace, what);
  const auto w = device.take<T>(kCount, Tensor::kWorkspace, what);
  const auto c = device.take<T>(kCount, Tensor::kWorkspace, what);
  device.zero(a.data(), kCount * sizeof(T));
  device.zero(w.data(), kCount * sizeof(T));
  Matrix weight;
  if constexpr (sizeof(T) == sizeof(float)) {
    weight.f = w.data();
  } else {
    weight.d = w.data();
    weight.wide = true;
  }
  weight.rows = weight.cols = kSize;
  // Rows are pulled in both; only a descent pushes them.
  for (const bool transposed : {false, true}) {
    if (transposed && sizeof(T) == sizeof(double)) break;
    weight.transposed = transposed;
    gemm(device, kSize, a.data(), kSize, weight, c.data(), kSize, false, precision);
  }
  device.wait();
}

void warm(int ordinal, Precision precision, bool descents) {
  try {
    Device device(ordinal, Warming::kBytes);
    if (descents) form<float>(device, precision);
    form<double>(device, precision);
  } catch (...) {
    static_cast<void>(cudaGetLastError());
  }
}

}  // namespace

Warming::Warming(int ordinal, Precision precision, bool descents) {
  try {
    thread_ = std::thread(warm, ordinal, precision, descents);
  } catch (const std::system_error&) {
    // The system gives no more threads: the first product waits.
  }
}

Warming::~Warming() {
  if (thread_.joinable()) thread_.join();
}

}  // namespace coronet::cuda
