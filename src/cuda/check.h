// Every call of CUDA and of cuBLAS is checked, in every build. For the sources of src/cuda only:
// its headers do not need CUDA's.
#pragma once

#include <cublas_v2.h>
#include <cuda_runtime.h>

namespace coronet::cuda {

/// Throws what failed, where, and what to do about it.
[[noreturn]] void fail(cudaError_t error, const char* call, const char* file, int line);
[[noreturn]] void fail(cublasStatus_t status, const char* call, const char* file, int line);

inline void check(cudaError_t error, const char* call, const char* file, int line) {
  if (error != cudaSuccess) fail(error, call, file, line);
}
inline void check(cublasStatus_t status, const char* call, const char* file, int line) {
  if (status != CUBLAS_STATUS_SUCCESS) fail(status, call, file, line);
}

/// For destructors, which cannot throw: the error is left for the next checked call, which meets it
/// too (CUDA's errors of this kind stay until the process ends).
inline void report_failure(cudaError_t error) noexcept { static_cast<void>(error); }

}  // namespace coronet::cuda

#define CORONET_CUDA_CHECK(call) ::coronet::cuda::check((call), #call, __FILE__, __LINE__)

/// After a launch: a kernel that could not start.
#define CORONET_CUDA_LAUNCHED(kernel) \
  ::coronet::cuda::check(cudaGetLastError(), "launch of " kernel, __FILE__, __LINE__)
