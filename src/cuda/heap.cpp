#include "cuda/heap.h"

#include <cuda.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <string>

#include "base/error.h"
#include "cuda/check.h"

namespace coronet::cuda {

namespace {

/// The driver's functions, found when first used: a program that links the driver does not start
/// on a machine without one.
template <class Fn>
Fn* driver(const char* name) {
  constexpr unsigned kVersion = 12000;
  void* at = nullptr;
  cudaDriverEntryPointQueryResult found{};
  CORONET_CUDA_CHECK(
      cudaGetDriverEntryPointByVersion(name, &at, kVersion, cudaEnableDefault, &found));
  if (found != cudaDriverEntryPointSuccess) {
    throw Error(ErrorKind::kUnsupported, std::string("the driver of NVIDIA has no ") + name +
                                             ". Update it, or take the CPU.");
  }
  return reinterpret_cast<Fn*>(at);
}

void check(CUresult result, const char* call) {
  if (result == CUDA_SUCCESS) return;
  throw Error(ErrorKind::kInternal, std::string("CUDA: ") + call + " failed with error " +
                                        std::to_string(static_cast<int>(result)) +
                                        ". Start again, or take the CPU, and report it.");
}

CUmemAllocationProp properties(int device) {
  CUmemAllocationProp prop{};
  prop.type = CU_MEM_ALLOCATION_TYPE_PINNED;
  prop.location = {CU_MEM_LOCATION_TYPE_DEVICE, device};
  return prop;
}

std::size_t rounded(std::size_t bytes, std::size_t granularity) {
  return (bytes + granularity - 1) / granularity * granularity;
}

CUdeviceptr pointer(const char* at) { return reinterpret_cast<CUdeviceptr>(at); }

}  // namespace

DeviceHeap::DeviceHeap(std::size_t limit) : Heap(limit) {
  CORONET_CUDA_CHECK(cudaGetDevice(&device_));
  const CUmemAllocationProp prop = properties(device_);
  std::size_t granularity = 0;
  check(driver<decltype(cuMemGetAllocationGranularity)>("cuMemGetAllocationGranularity")(
            &granularity, &prop, CU_MEM_ALLOC_GRANULARITY_MINIMUM),
        "cuMemGetAllocationGranularity");
  CUdeviceptr at = 0;
  check(driver<decltype(cuMemAddressReserve)>("cuMemAddressReserve")(
            &at, rounded(std::max<std::size_t>(limit, 1), granularity), 0, 0, 0),
        "cuMemAddressReserve");
  begin_at(reinterpret_cast<char*>(at), granularity);
}

DeviceHeap::~DeviceHeap() {
  try {
    auto* const unmap = driver<decltype(cuMemUnmap)>("cuMemUnmap");
    std::size_t at = 0;
    for (const std::size_t bytes : pieces_) {
      static_cast<void>(unmap(pointer(begin() + at), bytes));
      at += bytes;
    }
    static_cast<void>(driver<decltype(cuMemAddressFree)>("cuMemAddressFree")(
        pointer(begin()), rounded(std::max<std::size_t>(limit(), 1), granularity())));
  } catch (const Error&) {
    // The driver is gone, and the memory with it.
  }
}

bool DeviceHeap::extend(std::size_t more) {
  const CUmemAllocationProp prop = properties(device_);
  CUmemGenericAllocationHandle memory{};
  const CUresult made = driver<decltype(cuMemCreate)>("cuMemCreate")(&memory, more, &prop, 0);
  if (made == CUDA_ERROR_OUT_OF_MEMORY) return false;
  check(made, "cuMemCreate");
  const CUdeviceptr at = pointer(begin() + size());
  const CUresult mapped = driver<decltype(cuMemMap)>("cuMemMap")(at, more, 0, memory, 0);
  // The mapping keeps the memory.
  check(driver<decltype(cuMemRelease)>("cuMemRelease")(memory), "cuMemRelease");
  check(mapped, "cuMemMap");
  pieces_.push_back(more);
  CUmemAccessDesc access{};
  access.location = prop.location;
  access.flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
  check(driver<decltype(cuMemSetAccess)>("cuMemSetAccess")(at, more, &access, 1), "cuMemSetAccess");
  return true;
}

}  // namespace coronet::cuda
