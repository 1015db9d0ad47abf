#include "comm/nearby.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <random>
#include <string>

#include "base/hash.h"
#include "base/resources.h"

namespace coronet::comm {

namespace {

/// Process numbers mean the same where the system was started once and numbers them once: 0 where
/// that cannot be told.
std::uint64_t this_host() {
  const std::string boot = boot_number();
  struct stat numbers {};
  if (boot.empty() || ::stat("/proc/self/ns/pid", &numbers) != 0) return 0;
  Hash hash;
  hash.add(boot.data(), boot.size());
  hash.add(numbers.st_ino);
  return hash.value();
}

std::uint64_t random_nonce() {
  std::random_device random;
  return (std::uint64_t{random()} << 32U | random()) | 1U;
}

bool copy(std::int64_t process, std::uint64_t address, std::span<std::byte> to) {
  while (!to.empty()) {
    const iovec mine{to.data(), to.size()};
    const iovec its{reinterpret_cast<void*>(address), to.size()};
    const ssize_t count = ::process_vm_readv(static_cast<pid_t>(process), &mine, 1, &its, 1, 0);
    if (count <= 0) return false;
    to = to.subspan(static_cast<std::size_t>(count));
    address += static_cast<std::uint64_t>(count);
  }
  return true;
}

}  // namespace

OpenMemory::OpenMemory() {
  const std::uint64_t host = this_host();
  if (host == 0) return;
  void* const page = ::mmap(nullptr, sizeof(std::uint64_t), PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return;
  page_ = page;
  place_ = {host, ::getpid(), reinterpret_cast<std::uint64_t>(page), random_nonce()};
  *static_cast<std::uint64_t*>(page) = place_.nonce;
}

void OpenMemory::permit_others() {
  // Yama lets a process be read by its parents only, unless it says otherwise. Where there is no
  // Yama this fails, and is not needed.
  static_cast<void>(::prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0));
}

void OpenMemory::close() {
  if (page_ == nullptr) return;
  ::munmap(page_, sizeof(std::uint64_t));
  page_ = nullptr;
  place_ = {};
}

bool NearbyMemory::still_open() const {
  std::uint64_t nonce = 0;
  return copy(place_.process, place_.beacon, std::as_writable_bytes(std::span(&nonce, 1))) &&
         nonce == place_.nonce;
}

bool NearbyMemory::read(std::uint64_t address, std::span<std::byte> to) const {
  // The owner takes the nonce away before anything else: if it is there after the copy, all was.
  // Two calls of the system, each of which locks the other's memory, come one after the other.
  return copy(place_.process, address, to) && still_open();
}

}  // namespace coronet::comm
