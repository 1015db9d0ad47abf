#include "cuda/gemm.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "base/error.h"
#include "cuda/check.h"

namespace coronet::cuda {

namespace {

__global__ void widen(std::size_t n, const float* from, double* to) {
  const std::size_t step = static_cast<std::size_t>(gridDim.x) * blockDim.x;
  for (std::size_t i = static_cast<std::size_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < n;
       i += step) {
    to[i] = from[i];
  }
}

int leading(std::size_t ld) {
  if (ld > static_cast<std::size_t>(std::numeric_limits<int>::max())) {
    throw Error(ErrorKind::kUnsupported, "gemm on the device: a row of " + std::to_string(ld) +
                                             " numbers is too long for cuBLAS. Take the CPU.");
  }
  return static_cast<int>(ld);
}

// cuBLAS is column-major: what it sees is C^T = B^T A^T, and B^T is W as it lies there, or W^T.
template <class T>
void call(Device& device, int m, int n, int k, const T* a, std::size_t lda, const T* w, int ldw,
          bool transposed, T* c, std::size_t ldc, bool accumulate, cublasComputeType_t compute) {
  const T one = 1;
  const T beta = accumulate ? T(1) : T(0);
  const cudaDataType_t type = sizeof(T) == 4 ? CUDA_R_32F : CUDA_R_64F;
  CORONET_CUDA_CHECK(cublasGemmEx(device.blas(), transposed ? CUBLAS_OP_T : CUBLAS_OP_N,
                                  CUBLAS_OP_N, n, m, k, &one, w, type, ldw, a, type, leading(lda),
                                  &beta, c, type, leading(ldc), compute, CUBLAS_GEMM_DEFAULT));
}

cublasComputeType_t compute_of(Precision precision) {
  switch (precision) {
    case Precision::kTf32:
      return CUBLAS_COMPUTE_32F_FAST_TF32;
    case Precision::kBf16:
      return CUBLAS_COMPUTE_32F_FAST_16BF;
    case Precision::kExact:
      break;
  }
  return CUBLAS_COMPUTE_32F_PEDANTIC;
}

}  // namespace

void gemm(Device& device, int m, const float* a, std::size_t lda, const Matrix& b, float* c,
          std::size_t ldc, bool accumulate, Precision precision) {
  if (m == 0) return;
  call(device, m, b.n(), b.k(), a, lda, b.f, b.cols, b.transposed, c, ldc, accumulate,
       compute_of(precision));
}

void gemm(Device& device, int m, const double* a, std::size_t lda, const Matrix& b, double* c,
          std::size_t ldc, bool accumulate, Precision) {
  if (m == 0) return;
  const cublasComputeType_t compute = CUBLAS_COMPUTE_64F_PEDANTIC;
  if (b.d != nullptr) {
    call(device, m, b.n(), b.k(), a, lda, b.d, b.cols, b.transposed, c, ldc, accumulate, compute);
    return;
  }
  const std::size_t fit = std::max<std::size_t>(1, kGemmTile / sizeof(double) / b.cols);
  const int rows = static_cast<int>(std::min<std::size_t>(b.rows, fit));
  const std::size_t tile = static_cast<std::size_t>(rows) * b.cols;
  const Buffer<double> w =
      device.take<double>(tile, Tensor::kWorkspace, "a tile of a weight in double");
  for (int at = 0; at < b.rows; at += rows) {
    const int here = std::min(rows, b.rows - at);
    const std::size_t count = static_cast<std::size_t>(here) * b.cols;
    const unsigned blocks = static_cast<unsigned>(std::min<std::size_t>((count + 255) / 256, 4096));
    widen<<<blocks, 256, 0, device.stream()>>>(count, b.f + static_cast<std::size_t>(at) * b.cols,
                                               w.data());
    CORONET_CUDA_LAUNCHED("widen");
    if (b.transposed) {
      // Rows of W are columns of C.
      call(device, m, here, b.cols, a, lda, w.data(), b.cols, true, c + at, ldc, accumulate,
           compute);
    } else {
      // Rows of W are columns of A: their products add up.
      call(device, m, b.cols, here, a + at, lda, w.data(), b.cols, false, c, ldc,
           accumulate || at > 0, compute);
    }
  }
}

}  // namespace coronet::cuda
