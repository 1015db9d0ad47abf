// Ranks as processes on any hosts, over TCP: for launchers that give each process its rank and one
// address, as torchrun does.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "comm/channel.h"

namespace coronet::comm {

struct TcpSettings {
  int rank = 0;
  int size = 1;
  std::string host;        ///< where rank 0 listens, as the others reach it
  std::uint16_t port = 0;  ///< its port
  double join = 60;        ///< seconds in which all ranks must have come
};

/// Waits until all ranks are connected, each with each. Nothing is encrypted, and who reaches the
/// ports may join: for networks that are trusted. Throws Error(kRank) naming the ranks that have
/// not come, kBadInput for settings that are none.
std::unique_ptr<Channel> join_tcp(const TcpSettings& settings);

}  // namespace coronet::comm
