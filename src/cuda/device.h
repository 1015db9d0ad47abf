// One CUDA device: its stream, its memory, cuBLAS on it.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <memory_resource>
#include <string>
#include <vector>

#include "cuda/arena.h"
#include "cuda/pinned.h"

// CUDA's own names, so that these headers do not need CUDA's.
struct CUstream_st;
struct CUevent_st;
using cudaStream_t = CUstream_st*;
struct cublasContext;
using cublasHandle_t = cublasContext*;

namespace coronet::cuda {

struct Properties {
  int ordinal = 0;
  std::string name;
  int major = 0, minor = 0;  ///< compute capability
  int multiprocessors = 0;
  std::size_t memory = 0;  ///< bytes
  std::size_t free = 0;    ///< bytes that nobody had taken when asked
};

/// The devices that can be used; none without a driver.
std::vector<Properties> devices();

/// Bytes that a Device without a limit takes at most: nine tenths of what is free.
std::size_t usable_bytes(int ordinal);

/// The number in "cuda:N" ("cuda" is 0); kBadInput where it is neither.
int ordinal_of(const std::string& name);

/// Throws where an environment variable would change the arithmetic of cuBLAS behind our back.
void refuse_changed_arithmetic();

/// Pinned host memory through which large arrays go to the device: one half is filled while the
/// other is on its way.
class Staging {
 public:
  static constexpr std::size_t kBytes = std::size_t{16} << 20;  ///< of one half
  Staging();
  ~Staging();
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;

  /// Memory that may be written to: what was last sent from it has arrived.
  void* room();
  /// The room's first bytes go to the device.
  void send(void* to, std::size_t bytes, cudaStream_t stream);

 private:
  struct Half {
    void* memory = nullptr;
    CUevent_st* arrived = nullptr;
  };
  std::array<Half, 2> halves_;
  int next_ = 0;
};

/// What cuBLAS works in: what NVIDIA recommends for Hopper; the same everywhere, since another size
/// may choose another kernel.
inline constexpr std::size_t kBlasWorkspace = std::size_t{16} << 20;

/// All work of one engine on one device, on one stream, in order. For one thread at a time; a
/// thread that comes to it calls use() first, as CUDA's current device belongs to the thread.
class Device {
 public:
  /// `limit`: bytes of device memory, 0: usable_bytes().
  explicit Device(int ordinal, std::size_t limit = 0);
  ~Device();
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  void use() const;
  /// Waits for all that was queued, and throws what went wrong in it.
  void wait() const;

  [[nodiscard]] const Properties& properties() const { return properties_; }
  [[nodiscard]] cudaStream_t stream() const { return stream_; }
  [[nodiscard]] cublasHandle_t blas() const { return blas_; }
  [[nodiscard]] Arena& arena() { return arena_; }

  template <class T>
  Buffer<T> take(std::size_t count, Tensor tensor, const char* what) {
    return Buffer<T>(arena_, count, tensor, what);
  }
  /// A buffer with a copy of what stands at `from`.
  template <class T>
  Buffer<T> upload(const T* from, std::size_t count, Tensor tensor, const char* what) {
    Buffer<T> to(arena_, count, tensor, what);
    put(to.data(), from, count * sizeof(T));
    return to;
  }
  template <class Vector>
  auto upload(const Vector& from, Tensor tensor, const char* what) {
    return upload(from.data(), from.size(), tensor, what);
  }
  template <class T>
  void download(T* to, const T* from, std::size_t count) const {
    get(to, from, count * sizeof(T));
  }

  /// Host to device; `from` may be changed when it returns.
  void put(void* to, const void* from, std::size_t bytes) const;
  /// The same without waiting: `from` may be changed after the next wait().
  void start_put(void* to, const void* from, std::size_t bytes) const;
  /// What fill(room) writes, at most Staging::kBytes, goes to `to`.
  template <class Fill>
  void stage(std::size_t bytes, void* to, const Fill& fill) {
    if (!staging_) staging_ = std::make_unique<Staging>();
    fill(staging_->room());
    staging_->send(to, bytes, stream_);
  }
  /// Device to host; waits for it.
  void get(void* to, const void* from, std::size_t bytes) const;
  /// The same without waiting: `to` may be read after the next wait().
  void start_get(void* to, const void* from, std::size_t bytes) const;
  /// For what is copied from and to the device over and over.
  [[nodiscard]] std::pmr::memory_resource& host_memory() { return host_memory_; }
  void copy(void* to, const void* from, std::size_t bytes) const;
  void zero(void* to, std::size_t bytes) const;

 private:
  Properties properties_;
  cudaStream_t stream_ = nullptr;
  cublasHandle_t blas_ = nullptr;
  Arena arena_;
  Buffer<char> workspace_;  // cuBLAS's
  std::unique_ptr<Staging> staging_;
  PinnedMemory host_memory_;
};

}  // namespace coronet::cuda
