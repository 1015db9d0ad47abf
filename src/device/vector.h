// Elementwise kernels of the present CPU, by type.
#pragma once

#include "kernels/elementwise.h"

namespace coronet::device {

/// The table of the instruction set in use (kernels/isa.h chooses it once).
template <class T>
const kernels::ElementwiseTable<T>& elementwise();

template <class T>
inline T dot(int n, const T* a, const T* b) {
  return elementwise<T>().dot(n, a, b);
}
template <class T>
inline T periodic_dot(int n, const T* a, int period, const T* b) {
  return elementwise<T>().periodic_dot(n, a, period, b);
}

}  // namespace coronet::device
