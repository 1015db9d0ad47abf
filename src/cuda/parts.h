// Arrays that several ranks have parts of, put in order and added up. All pointers are to device
// memory.
#pragma once

#include <cstddef>

#include "cuda/device.h"

namespace coronet::cuda {

/// to[i][o] = from[o][i], for o < outer and i < inner, each of `each` numbers; `to` may not overlap
/// `from`.
template <class T>
void regroup(Device& device, std::size_t outer, std::size_t inner, std::size_t each, const T* from,
             T* to);

/// sum[i] = or += the sum over r < ranks of part r's number i, in the order of r, for i < count.
/// Part `own` is at `mine`, which may be `sum`, the others are those of others[ranks][count].
template <class T>
void add_parts(Device& device, std::size_t count, int ranks, int own, const T* mine,
               const T* others, T* sum, bool accumulate);

}  // namespace coronet::cuda
