#include "cuda/gemm.h"

#include <limits>

#include "base/error.h"
#include "cuda/check.h"

namespace coronet::cuda {

namespace {

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

template <class T>
void multiply(Device& device, int m, const T* a, std::size_t lda, const Matrix& b, T* c,
              std::size_t ldc, bool accumulate, cublasComputeType_t compute) {
  if (m == 0) return;
  for_each_tile<T>(device, b, [&](const T* w, int first, int count) {
    if (b.transposed) {
      // Rows of W are columns of C.
      call(device, m, count, b.cols, a, lda, w, b.cols, true, c + first, ldc, accumulate, compute);
    } else {
      // Rows of W are columns of A: their products add up.
      call(device, m, b.cols, count, a + first, lda, w, b.cols, false, c, ldc,
           accumulate || first > 0, compute);
    }
  });
}

}  // namespace

void gemm(Device& device, int m, const float* a, std::size_t lda, const Matrix& b, float* c,
          std::size_t ldc, bool accumulate, Precision precision) {
  multiply(device, m, a, lda, b, c, ldc, accumulate, compute_of(precision));
}

void gemm(Device& device, int m, const double* a, std::size_t lda, const Matrix& b, double* c,
          std::size_t ldc, bool accumulate, Precision) {
  multiply(device, m, a, lda, b, c, ldc, accumulate, CUBLAS_COMPUTE_64F_PEDANTIC);
}

}  // namespace coronet::cuda
