// Memory of other ranks of the same host, read without their doing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace coronet::comm {

/// By which another process of the host finds a rank's open memory.
struct NearbyPlace {
  std::uint64_t host = 0;    ///< of the running system, and of its container
  std::int64_t process = 0;  ///< its number there
  std::uint64_t beacon = 0;  ///< an address at which the nonce stands for as long as it is open
  std::uint64_t nonce = 0;
};

/// Lets the other processes of this user on this host read the memory of this one, as far as the
/// system does (cross-memory attach, process_vm_readv(2)): until it is closed, whoever has read
/// something knows that it was still there.
class OpenMemory {
 public:
  OpenMemory();
  ~OpenMemory() { close(); }
  OpenMemory(const OpenMemory&) = delete;
  OpenMemory& operator=(const OpenMemory&) = delete;

  /// Tells the system that others than this process's parents are to read it.
  static void permit_others();
  /// Before anything that others read is freed.
  void close();
  /// Of host 0 where it could not be opened.
  [[nodiscard]] const NearbyPlace& place() const { return place_; }

 private:
  void* page_ = nullptr;
  NearbyPlace place_;
};

/// What another rank has opened.
class NearbyMemory {
 public:
  /// `mine`: of this process.
  NearbyMemory(const NearbyPlace& place, const NearbyPlace& mine) : place_(place) {
    open_ = place.host != 0 && place.host == mine.host && still_open();
  }

  /// False: it is on another host, or the system does not let this process read it.
  [[nodiscard]] bool open() const { return open_; }
  /// Copies what stands at the other's address. False where it is closed or gone: nothing that was
  /// copied counts then.
  [[nodiscard]] bool read(std::uint64_t address, std::span<std::byte> to) const;

 private:
  [[nodiscard]] bool still_open() const;

  NearbyPlace place_;
  bool open_ = false;
};

}  // namespace coronet::comm
