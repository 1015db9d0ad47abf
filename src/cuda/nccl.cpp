#include "cuda/nccl.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <cstdlib>
#include <string_view>

namespace coronet::cuda {

namespace {

constexpr const char* kLibrary = "libnccl.so.2";

template <class Function>
bool find(void* library, const char* name, Function*& function) {
  function = reinterpret_cast<Function*>(::dlsym(library, name));
  return function != nullptr;
}

}  // namespace

std::string nccl_version_words(int version) {
  return fmt::format("{}.{}.{}", version / 10000, version / 100 % 100, version % 100);
}

std::shared_ptr<const Nccl> Nccl::open(std::string& why) {
  const char* const multicast = std::getenv("NCCL_NVLS_ENABLE");
  if (multicast == nullptr || std::string_view(multicast) != "0") {
    why = "NCCL_NVLS_ENABLE is not 0";
    return nullptr;
  }
  // Left open: NCCL's threads may outlive what is done with it.
  void* const library = ::dlopen(kLibrary, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (library == nullptr) {
    why = ::dlerror();
    return nullptr;
  }
  auto calls = std::make_shared<Nccl>();
  const bool all = find(library, "ncclGetVersion", calls->get_version) &&
                   find(library, "ncclGetUniqueId", calls->get_unique_id) &&
                   find(library, "ncclCommInitRankConfig", calls->init) &&
                   find(library, "ncclCommGetAsyncError", calls->async_error) &&
                   find(library, "ncclCommAbort", calls->abort) &&
                   find(library, "ncclGroupStart", calls->group_start) &&
                   find(library, "ncclGroupEnd", calls->group_end) &&
                   find(library, "ncclSend", calls->send) &&
                   find(library, "ncclRecv", calls->receive) &&
                   find(library, "ncclGetErrorString", calls->error_string) &&
                   find(library, "ncclGetLastError", calls->last_error);
  if (!all || calls->get_version(&calls->version) != kSuccess || calls->version < kLeastVersion) {
    why = fmt::format("{} is older than {}", kLibrary, nccl_version_words(kLeastVersion));
    return nullptr;
  }
  return calls;
}

}  // namespace coronet::cuda
