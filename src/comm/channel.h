// What a transport gives: letters from rank to rank. All collectives are made of these
// (communicator.h), so that they are the same on every transport, down to the bits of sums.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <vector>

#include "comm/failure.h"

namespace coronet::comm {

using Bytes = std::vector<std::byte>;

inline constexpr int kAny = -1;  ///< any rank
inline constexpr double kForever = std::numeric_limits<double>::infinity();

/// What a letter is for. Letters between two ranks that agree in both numbers arrive in the order
/// in which they were sent; `what` says in an error what a rank was waiting for.
struct Subject {
  std::uint64_t group = 0;
  int tag = 0;
  const char* what = "";
};

struct Letter {
  int from = 0;
  Bytes bytes;
};

/// One rank's end of a transport. Host memory only; device buffers are staged by the caller. All
/// calls may come from several threads of the rank.
class Channel {
 public:
  Channel() = default;
  /// Leaves.
  virtual ~Channel() = default;
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  [[nodiscard]] virtual int rank() const = 0;
  [[nodiscard]] virtual int size() const = 0;

  /// Returns when the bytes may be used again; never waits for the receiver's call of receive()
  /// where that rank is at work in any call of its channel. Throws as receive() does.
  virtual void send(int to, const Subject& subject, std::span<const std::byte> bytes) = 0;

  /// The next letter of this subject from a rank or from any; nothing if none has come within
  /// `seconds`. Throws Error of the kind of the failure once any rank has failed (kRank where it
  /// ended without a word), and RankLeft once nobody is left who could send one.
  virtual std::optional<Letter> receive(int from, const Subject& subject, double seconds) = 0;

  /// Tells all ranks, this one included, that this one has failed: what waits for a letter, and
  /// every later call, throws. The first failure that a rank hears of is the one it speaks of.
  virtual void fail(ErrorKind kind, const std::string& what) = 0;

  /// Tells the others that this rank ends on purpose. From any thread, at any moment.
  virtual void leave() = 0;

  /// True once a rank has failed or the one that leads (rank 0) has left: work for it is in vain.
  /// Long computations look at it.
  [[nodiscard]] virtual const std::atomic<bool>& broken() const = 0;
};

}  // namespace coronet::comm
