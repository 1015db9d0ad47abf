// The calls of calls.h on the MPI that this module is linked with.
#include <mpi.h>

#include <algorithm>
#include <vector>

#include "comm/mpi/calls.h"

namespace {

using coronet::comm::MpiCalls;

/// MPI counts in int: longer messages go in pieces.
constexpr std::size_t kPiece = std::size_t{1} << 30;

struct Pieces {
  std::vector<MPI_Request> requests;
};

template <class Begin>
void* in_pieces(std::size_t bytes, const Begin& begin) {
  auto* pieces = new Pieces;
  for (std::size_t at = 0; at < bytes; at += kPiece) {
    pieces->requests.push_back(MPI_REQUEST_NULL);
    begin(at, static_cast<int>(std::min(kPiece, bytes - at)), &pieces->requests.back());
  }
  return pieces;
}

bool start() {
  int given = 0;
  MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &given);
  return given >= MPI_THREAD_SERIALIZED;
}

int rank() {
  int r = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &r);
  return r;
}

int size() {
  int n = 0;
  MPI_Comm_size(MPI_COMM_WORLD, &n);
  return n;
}

void* send(const void* data, std::size_t bytes, int to, int tag) {
  const char* from = static_cast<const char*>(data);
  return in_pieces(bytes, [&](std::size_t at, int count, MPI_Request* request) {
    MPI_Isend(from + at, count, MPI_BYTE, to, tag, MPI_COMM_WORLD, request);
  });
}

void* receive(void* data, std::size_t bytes, int from, int tag) {
  char* to = static_cast<char*>(data);
  return in_pieces(bytes, [&](std::size_t at, int count, MPI_Request* request) {
    MPI_Irecv(to + at, count, MPI_BYTE, from, tag, MPI_COMM_WORLD, request);
  });
}

bool done(void* request) {
  auto* pieces = static_cast<Pieces*>(request);
  int all = 0;
  MPI_Testall(static_cast<int>(pieces->requests.size()), pieces->requests.data(), &all,
              MPI_STATUSES_IGNORE);
  if (all != 0) delete pieces;
  return all != 0;
}

bool look(void* data, std::size_t bytes, int tag, int* from) {
  int there = 0;
  MPI_Message message = MPI_MESSAGE_NULL;
  MPI_Status status;
  MPI_Improbe(MPI_ANY_SOURCE, tag, MPI_COMM_WORLD, &there, &message, &status);
  if (there == 0) return false;
  MPI_Mrecv(data, static_cast<int>(bytes), MPI_BYTE, &message, &status);
  *from = status.MPI_SOURCE;
  return true;
}

void finish() { MPI_Finalize(); }
void abort_all(int code) { MPI_Abort(MPI_COMM_WORLD, code); }

constexpr MpiCalls kCalls{start, rank, size, send, receive, done, look, finish, abort_all};

}  // namespace

extern "C" const MpiCalls* coronet_mpi_calls() { return &kCalls; }
