#include "cuda/device.h"

#include <charconv>
#include <cstring>

#include "base/error.h"
#include "cuda/check.h"

extern "C" char** environ;

namespace coronet::cuda {

namespace {

Properties read(int ordinal) {
  cudaDeviceProp p{};
  CORONET_CUDA_CHECK(cudaGetDeviceProperties(&p, ordinal));
  Properties out;
  out.ordinal = ordinal;
  out.name = p.name;
  out.major = p.major;
  out.minor = p.minor;
  out.multiprocessors = p.multiProcessorCount;
  out.memory = p.totalGlobalMem;
  return out;
}

Properties open(int ordinal) {
  refuse_changed_arithmetic();
  int count = 0;
  if (cudaGetDeviceCount(&count) != cudaSuccess) {
    static_cast<void>(cudaGetLastError());
    count = 0;
  }
  if (ordinal < 0 || ordinal >= count) {
    throw Error(ErrorKind::kBadInput,
                "cuda:" + std::to_string(ordinal) + ": no such device, CUDA sees " +
                    std::to_string(count) +
                    (count == 0 ? ". Install NVIDIA's driver, or take the CPU."
                                : ". Choose a smaller number, or change CUDA_VISIBLE_DEVICES."));
  }
  CORONET_CUDA_CHECK(cudaSetDevice(ordinal));
  Properties p = read(ordinal);
  if (p.major < 8) {
    throw Error(ErrorKind::kUnsupported,
                "cuda:" + std::to_string(ordinal) + " (" + p.name + "): compute capability " +
                    std::to_string(p.major) + "." + std::to_string(p.minor) +
                    ", but 8.0 or more is needed. Choose another device, or the CPU.");
  }
  std::size_t total = 0;
  CORONET_CUDA_CHECK(cudaMemGetInfo(&p.free, &total));
  return p;
}

std::size_t usable(const Properties& p) { return p.free / 10 * 9; }

}  // namespace

std::vector<Properties> devices() {
  int count = 0;
  if (cudaGetDeviceCount(&count) != cudaSuccess) {
    static_cast<void>(cudaGetLastError());
    return {};
  }
  std::vector<Properties> all;
  for (int i = 0; i < count; ++i) all.push_back(read(i));
  return all;
}

std::size_t usable_bytes(int ordinal) { return usable(open(ordinal)); }

int ordinal_of(const std::string& name) {
  if (name == "cuda") return 0;
  int ordinal = -1;
  if (name.starts_with("cuda:")) {
    const char* const end = name.data() + name.size();
    const auto [at, error] = std::from_chars(name.data() + 5, end, ordinal);
    if (error != std::errc{} || at != end) ordinal = -1;
  }
  if (ordinal < 0) {
    throw Error(ErrorKind::kBadInput,
                "device '" + name + "': not one that is known. Write cpu, auto, cuda or cuda:N.");
  }
  return ordinal;
}

void refuse_changed_arithmetic() {
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    for (const char* name : {"NVIDIA_TF32_OVERRIDE", "CUBLAS_EMULAT", "CUBLAS_FIXEDPOINT"}) {
      if (std::strncmp(*entry, name, std::strlen(name)) != 0) continue;
      throw Error(ErrorKind::kBadInput,
                  std::string("the environment holds ") + *entry +
                      ", which changes the arithmetic of cuBLAS: bounds would not mean what they "
                      "say. Unset it.");
    }
  }
}

Staging::Staging() {
  for (Half& half : halves_) {
    CORONET_CUDA_CHECK(cudaHostAlloc(&half.memory, kBytes, cudaHostAllocDefault));
    CORONET_CUDA_CHECK(cudaEventCreateWithFlags(&half.arrived, cudaEventDisableTiming));
  }
}

Staging::~Staging() {
  for (Half& half : halves_) {
    if (half.arrived != nullptr) report_failure(cudaEventDestroy(half.arrived));
    if (half.memory != nullptr) report_failure(cudaFreeHost(half.memory));
  }
}

void* Staging::room() {
  CORONET_CUDA_CHECK(cudaEventSynchronize(halves_[next_].arrived));
  return halves_[next_].memory;
}

void Staging::send(void* to, std::size_t bytes, cudaStream_t stream) {
  const Half& half = halves_[next_];
  CORONET_CUDA_CHECK(cudaMemcpyAsync(to, half.memory, bytes, cudaMemcpyHostToDevice, stream));
  CORONET_CUDA_CHECK(cudaEventRecord(half.arrived, stream));
  next_ = 1 - next_;
}

Device::Device(int ordinal, std::size_t limit)
    : properties_(open(ordinal)),
      arena_(std::make_unique<DeviceHeap>(limit > 0 ? limit : usable(properties_))),
      host_memory_(ordinal) {
  CORONET_CUDA_CHECK(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking));
  CORONET_CUDA_CHECK(cublasCreate(&blas_));
  // The stream first: setting it takes cuBLAS's workspace away.
  CORONET_CUDA_CHECK(cublasSetStream(blas_, stream_));
  workspace_ = take<char>(kBlasWorkspace, Tensor::kWorkspace, "cuBLAS's workspace");
  CORONET_CUDA_CHECK(cublasSetWorkspace(blas_, workspace_.data(), kBlasWorkspace));
  CORONET_CUDA_CHECK(cublasSetAtomicsMode(blas_, CUBLAS_ATOMICS_NOT_ALLOWED));
}

Device::~Device() {
  // What was queued may still use the arena. Errors cannot be thrown here; wait() reports them.
  report_failure(cudaSetDevice(properties_.ordinal));
  report_failure(cudaStreamSynchronize(stream_));
  static_cast<void>(cublasDestroy(blas_));
  report_failure(cudaStreamDestroy(stream_));
}

void Device::use() const { CORONET_CUDA_CHECK(cudaSetDevice(properties_.ordinal)); }

void Device::wait() const { CORONET_CUDA_CHECK(cudaStreamSynchronize(stream_)); }

void Device::put(void* to, const void* from, std::size_t bytes) const {
  if (bytes == 0) return;
  // From pageable memory this returns when the source has been read; from pinned memory it does
  // not.
  start_put(to, from, bytes);
  cudaPointerAttributes attributes{};
  CORONET_CUDA_CHECK(cudaPointerGetAttributes(&attributes, from));
  if (attributes.type == cudaMemoryTypeHost) wait();
}

void Device::start_put(void* to, const void* from, std::size_t bytes) const {
  if (bytes == 0) return;
  CORONET_CUDA_CHECK(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, stream_));
}

void Device::get(void* to, const void* from, std::size_t bytes) const {
  start_get(to, from, bytes);
  wait();
}

void Device::start_get(void* to, const void* from, std::size_t bytes) const {
  if (bytes == 0) return;
  CORONET_CUDA_CHECK(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, stream_));
}

void Device::copy(void* to, const void* from, std::size_t bytes) const {
  if (bytes == 0) return;
  CORONET_CUDA_CHECK(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream_));
}

void Device::zero(void* to, std::size_t bytes) const {
  if (bytes == 0) return;
  CORONET_CUDA_CHECK(cudaMemsetAsync(to, 0, bytes, stream_));
}

}  // namespace coronet::cuda
