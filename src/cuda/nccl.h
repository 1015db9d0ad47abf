// NCCL's library, opened when it is wanted: building and running need none.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "cuda/device.h"

namespace coronet::cuda {

/// The few entry points of NCCL that are used, declared here as its nccl.h has them, so that no
/// header of it is needed. They are the C interface of libnccl.so.2, which has kept them
/// since 2.14; older ones are refused.
struct Nccl {
  using Comm = struct ncclComm*;
  enum Result : int { kSuccess = 0, kInProgress = 7 };  // others are errors
  static constexpr int kBytes = 0;                      // ncclInt8
  struct UniqueId {
    char internal[128];
  };
  /// As of 2.14: NCCL reads as much of it as `size` and `version` say, and has its own values for
  /// what came later.
  struct Config {
    std::size_t size = sizeof(Config);
    unsigned int magic = 0xcafebeef;
    unsigned int version = kLeastVersion;
    int blocking = 0;  ///< calls return while they are at work: whoever waits can look elsewhere
  };
  static constexpr int kLeastVersion = 21400;

  Result (*get_version)(int* version) = nullptr;
  Result (*get_unique_id)(UniqueId* id) = nullptr;
  Result (*init)(Comm* comm, int ranks, UniqueId id, int rank, Config* config) = nullptr;
  Result (*async_error)(Comm comm, Result* state) = nullptr;
  Result (*abort)(Comm comm) = nullptr;
  Result (*group_start)() = nullptr;
  Result (*group_end)() = nullptr;
  Result (*send)(const void* from, std::size_t count, int type, int to, Comm comm,
                 cudaStream_t stream) = nullptr;
  Result (*receive)(void* to, std::size_t count, int type, int from, Comm comm,
                    cudaStream_t stream) = nullptr;
  const char* (*error_string)(Result result) = nullptr;
  const char* (*last_error)(Comm comm) = nullptr;

  int version = 0;  ///< 22703: 2.27.3

  /// Null, with the reason, where the library is not to be found (LD_LIBRARY_PATH), is too old, or
  /// may use NVLink's multicast: the environment must say NCCL_NVLS_ENABLE=0, as the program does
  /// (cli/launch.h). Nothing here reduces, so it brings nothing, and where the fabric does not
  /// offer it NCCL's start fails.
  static std::shared_ptr<const Nccl> open(std::string& why);
};

/// "2.27.3"
std::string nccl_version_words(int version);

}  // namespace coronet::cuda
