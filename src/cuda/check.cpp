#include "cuda/check.h"

#include <cstring>
#include <string>

#include "base/error.h"

namespace coronet::cuda {

namespace {

/// The part of a source path that means the same on every machine.
std::string where(const char* file, int line) {
  const char* at = std::strstr(file, "src/cuda/");
  return std::string(at != nullptr ? at : file) + ":" + std::to_string(line);
}

}  // namespace

void fail(cudaError_t error, const char* call, const char* file, int line) {
  const bool memory = error == cudaErrorMemoryAllocation;
  // Whoever goes on with less memory must not be told of it by the next launch.
  if (memory) static_cast<void>(cudaGetLastError());
  std::string message = std::string("CUDA: ") + call + " failed at " + where(file, line) + ": " +
                        cudaGetErrorName(error) + ", " + cudaGetErrorString(error) + ". ";
  switch (error) {
    case cudaErrorMemoryAllocation:
      message += "Take smaller chunks, a device with more memory, or the CPU.";
      break;
    case cudaErrorInsufficientDriver:
    case cudaErrorNoDevice:
    case cudaErrorInitializationError:
      message += "Install or update NVIDIA's driver, or take the CPU.";
      break;
    case cudaErrorNoKernelImageForDevice:
      message += "This build has no code for the device: add it to CMAKE_CUDA_ARCHITECTURES.";
      break;
    default:
      message +=
          "Nothing computed on the device counts from here on; start again, or take the CPU, and "
          "report it.";
  }
  throw Error(memory ? ErrorKind::kOutOfMemory : ErrorKind::kInternal, message);
}

void fail(cublasStatus_t status, const char* call, const char* file, int line) {
  const bool memory = status == CUBLAS_STATUS_ALLOC_FAILED;
  throw Error(memory ? ErrorKind::kOutOfMemory : ErrorKind::kInternal,
              std::string("cuBLAS: ") + call + " failed at " + where(file, line) + ": " +
                  cublasGetStatusName(status) + ", " + cublasGetStatusString(status) + ". " +
                  (memory ? "Take smaller chunks, a device with more memory, or the CPU."
                          : "Nothing computed on the device counts from here on; take the CPU, and "
                            "report it."));
}

}  // namespace coronet::cuda
