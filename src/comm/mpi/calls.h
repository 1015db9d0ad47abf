// What the channel needs of an MPI, as plain functions: between the program, which is built and
// starts without MPI, and the module that is linked with it.
#pragma once

#include <cstddef>

namespace coronet::comm {

/// One thread at a time may be in these.
struct MpiCalls {
  /// Begins; false where this MPI cannot be called from several threads in turn.
  bool (*start)();
  int (*rank)();
  int (*size)();
  /// Begins to send or to receive so many bytes, in order for each pair of ranks and tag; done()
  /// says when, and forgets the request then.
  void* (*send)(const void* data, std::size_t bytes, int to, int tag);
  void* (*receive)(void* data, std::size_t bytes, int from, int tag);
  bool (*done)(void* request);
  /// Receives a message of this tag and size from any rank, if one has come.
  bool (*look)(void* data, std::size_t bytes, int tag, int* from);
  /// Ends MPI. All ranks must.
  void (*finish)();
  /// Ends all ranks at once.
  void (*abort)(int code);
};

/// The module's one symbol, of type const MpiCalls*(*)().
inline constexpr const char* kMpiSymbol = "coronet_mpi_calls";

}  // namespace coronet::comm
