// Some rows and columns of a matrix whose rows lie in several places.
#pragma once

#include "cuda/device.h"

namespace coronet::cuda {

/// Numbers [first, last) of a row: number c is at from + c numbers. Anywhere that this device
/// reads, such as the memory of its peers.
struct Stretch {
  const void* from = nullptr;
  int first = 0;
  int last = 0;
};

/// All pointers are to device memory.
struct Scattered {
  const Stretch* stretches = nullptr;
  const int* begin = nullptr;  ///< [rows + 1] which of the stretches are a row's, ascending
  const int* place = nullptr;  ///< [columns of the matrix] where each goes; -1: nowhere
  int cols = 0;                ///< how many go anywhere
};

/// to[i][place[c]] = row first + i, column c, for i < count; `to` has rows of `cols`. It takes few
/// multiprocessors, so that it can go on beside products of another stream.
template <class T>
void gather(const Scattered& from, int first, int count, T* to, cudaStream_t stream);

}  // namespace coronet::cuda
