// Rows put together, taken apart and moved: no arithmetic but a sign. All pointers are to device
// memory.
#pragma once

#include <cstdint>
#include <vector>

#include "cuda/device.h"
#include "cuda/geometry.h"
#include "cuda/matrix.h"

namespace coronet::cuda {

/// a[r] = sign[r] e_neuron[r]; each neuron lies in its row's window.
template <class T>
void start_rows(Device& device, const Rows& rows, const Geometry& g, const int* neuron,
                const T* sign, T* a);

/// u[r] = sign[r] * row neuron[r] of w (not transposed): the first product of a selection, without
/// a product.
template <class T>
void pull_selection(Device& device, int count, const int* neuron, const T* sign, const Matrix& w,
                    T* u);

/// bias[r] += sign[r] * b[neuron[r] % period], b of [period].
template <class T>
void add_selected(Device& device, int count, const int* neuron, const T* sign, const double* b,
                  int period, double* bias);

/// to[i] = value, and to[i] = i.
template <class T>
void fill(Device& device, std::size_t count, T value, T* to);
void number(Device& device, int count, int* to);

/// to[i] += from[i]
template <class T>
void add(Device& device, std::size_t count, const T* from, T* to);

/// to[i] = the same number in the other precision.
void convert(Device& device, std::size_t count, const float* from, double* to);
void convert(Device& device, std::size_t count, const double* from, float* to);

/// Each row gets its part of from[domain][node size]; gaps get zero. (The slopes that rows begin
/// with are their lines' own.)
template <class T>
void spread(Device& device, const Rows& rows, const Geometry& g, const T* from, T* to);

/// One of several arrays that are moved alike: rows of `bytes` bytes (an even number, as are the
/// addresses).
struct Moved {
  const void* from = nullptr;
  void* to = nullptr;
  std::size_t bytes = 0;
};

/// to row i = from row index[i], for i < count, for all the arrays; `to` may not overlap `from`.
void gather_rows(Device& device, const std::vector<Moved>& arrays, int count, const int* index);

/// to row id[r] = from row r for those r < count where flag[r], for all the arrays; the ids of
/// flagged rows differ.
void save_rows(Device& device, const std::vector<Moved>& arrays, int count, const int* id,
               const char* flag);

/// Slopes of one node in 16 bits, 1 = 65535: row r's are the first of those at data + r * stride.
struct PackedSlopes {
  std::uint16_t* data = nullptr;
  std::size_t stride = 0;  ///< of all that is packed of a row, the other nodes' too
};

/// to[id[r]][k] = the slope of row r at neuron free[k], 0 where the row's window does not reach it,
/// for those r where flag[r]. id null: r; flag null: everywhere.
template <class T>
void pack_slopes(Device& device, const Rows& rows, const Geometry& g, const T* alpha,
                 const int* free, int free_count, const PackedSlopes& to, const int* id,
                 const unsigned char* flag);

/// The slopes of each row: those of its lines (sl of [domains][size]), and at the neurons free[k]
/// the larger of floor and from[id[r]][k], where has[id[r]]. id null: r; has null: everywhere. Gaps
/// get zero.
template <class T>
void unpack_slopes(Device& device, const Rows& rows, const Geometry& g, const T* sl, T floor,
                   const int* free, int free_count, const PackedSlopes& from, const int* id,
                   const unsigned char* has, T* alpha);

}  // namespace coronet::cuda
