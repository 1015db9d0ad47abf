// The CPU as a device of the row engine: its arrays, and its loops over the rows of a batch.
//
// A device is a class with these members; bound::Pass and what stands on it are written once, over
// any of them. Pointers are the device's own. Rows are dense arrays [rows][extent]; where an extent
// is a window, what lies outside the image is read as zero, whatever is there, and written as zero.
#pragma once

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <utility>
#include <vector>

#include "base/aligned.h"
#include "device/extent.h"
#include "kernels/elementwise.h"
#include "kernels/noting.h"

namespace coronet::device {

/// A split neuron of one row: z >= 0 (sign 1) or z <= 0 (sign -1), with its multiplier beta >= 0
/// and Adam's moments.
template <class T>
struct Split {
  int neuron = 0;
  T sign = 1;
  T beta = 0;
  T m = 0;
  T v = 0;
};

/// The lines of one elementwise node as a device sees them: arrays of [domains][size].
template <class T>
struct LinesAt {
  const T* sl = nullptr;
  const T* tl = nullptr;
  const T* su = nullptr;
  const T* tu = nullptr;
  const T* free = nullptr;
  int size = 0;
  int sloped = 0;  ///< the first so many have slopes in a row's own; 0: all (on the CPU always)
  bool relu = false;
  T floor = 0;
};

/// Optimised lower slopes of one node's rows, with Adam's moments of type M; null: the lines' own.
template <class T, class M = T>
struct SlopesAt {
  T* value = nullptr;
  M* m = nullptr;
  M* v = nullptr;
  const T* rate = nullptr;  ///< factor of each row's learning rate; null: 1
};

/// Rows of `width` numbers and where some of them are saved.
template <class T>
struct Saved {
  std::size_t width = 0;
  const T* rows = nullptr;
  T* saved = nullptr;
};

/// The Adam step of a push, for alpha and for beta.
template <class T>
struct Step {
  kernels::AdamStep<T> alpha;
  kernels::AdamStep<T> beta;
};

class Cpu {
 public:
  template <class T>
  using Array = ::coronet::AlignedVector<T>;
  /// Adam's moments are stored as these.
  template <class T>
  using Moment = T;
  /// Split neurons of one node, by row; empty: none.
  template <class T>
  using Splits = std::vector<std::vector<Split<T>>>;

  /// Room for n numbers; what was there is lost.
  template <class T>
  void reserve(Array<T>& array, std::size_t n) const {
    if (array.size() >= n) return;
    array = {};  // free first: the old contents are not wanted
    array.resize(n);
  }
  template <class T>
  void fill(T* to, std::size_t n, T value) const {
    std::fill(to, to + n, value);
  }
  /// to[i] = i
  void number(int* to, int n) const { std::iota(to, to + n, 0); }
  template <class T>
  void zero(T* to, std::size_t n) const {
    std::fill(to, to + n, T(0));
  }
  template <class T>
  void copy(const T* from, std::size_t n, T* to) const {
    std::copy(from, from + n, to);
  }
  template <class T>
  void add(const T* from, std::size_t n, T* to) const {
    for (std::size_t i = 0; i < n; ++i) to[i] += from[i];
  }
  void convert(const float* from, std::size_t n, double* to) const {
    std::copy(from, from + n, to);
  }
  /// From the host, and to it.
  template <class T>
  void write(const T* from, std::size_t n, T* to) const {
    std::copy(from, from + n, to);
  }
  template <class T>
  void read(const T* from, std::size_t n, T* to) const {
    std::copy(from, from + n, to);
  }

  /// Row r: sign[r] at neuron[r], else zero.
  template <class T>
  void unit_rows(const RowSet& rows, const Extent& e, const int* neuron, const T* sign,
                 T* to) const;

  /// u (+)= a through the lines; bias[r] += the intercepts that a's signs choose. A split neuron
  /// takes no line but slope 1 or the floor, and its beta. domain: of each row, or null; alpha:
  /// lower slopes of each row, or null: the lines' own.
  template <class T>
  void pull_lines(const RowSet& rows, const int* domain, const LinesAt<T>& lines, const T* alpha,
                  const Splits<T>* splits, T* a, const Extent& out, T* u, const Extent& in,
                  bool add, double* bias) const;

  /// to = z through the lines that a's signs chose; with `step`, an ascent step of slopes and
  /// betas. `to` may be z.
  template <class T>
  void push_lines(const RowSet& rows, const int* domain, const LinesAt<T>& lines,
                  const SlopesAt<T>& slopes, Splits<T>* splits, const T* a, const Extent& out,
                  const T* z, const Extent& in, T* to, const Step<T>* step) const;

  /// Every row starts from the lines' own lower slopes.
  template <class T>
  void start_slopes(const RowSet& rows, const int* domain, const LinesAt<T>& lines, const Extent& e,
                    T* slopes) const;

  /// bound[r] = bias[r] + the least value of a_r . x over the domain's box.
  template <class T>
  void concretize(const RowSet& rows, const int* domain, const T* a, const Extent& e, const T* lo,
                  const T* hi, const double* bias, T* bound) const;
  /// x_r: where that least value is taken.
  template <class T>
  void minimizers(const RowSet& rows, const int* domain, const T* a, const Extent& e, const T* lo,
                  const T* hi, T* x) const;

  /// error[r] += factor * sum of |a_r| w
  void charge(const RowSet& rows, const double* a, const Extent& e, const double* w, double factor,
              double* error) const;
  /// error[r] += factor |bias[r]|
  void charge_bias(int count, const double* bias, double factor, double* error) const;

  /// Notes the bounds of an iteration: kernels/noting.h.
  template <class T>
  void note(int count, const kernels::Noting<T>& how, const kernels::Standing<T>& rows,
            const T* bound) const {
    for (int r = 0; r < count; ++r) kernels::note_row(how, rows, bound, r, count);
  }
  /// How often the host looks at what was noted: every so many iterations.
  static constexpr int kLook = 1;

  /// Which rows of a batch stay: those r with keep[r], in order.
  using Kept = std::vector<char>;
  [[nodiscard]] Kept kept(std::vector<char> keep) const { return keep; }
  /// Takes the other rows out of `values`, of `width` numbers a row.
  template <class V>
  void keep_rows(V& values, std::size_t width, const Kept& keep) const {
    if (values.empty()) return;
    std::size_t to = 0;
    for (std::size_t r = 0; r < keep.size(); ++r) {
      if (!keep[r]) continue;
      if (to != r) {
        for (std::size_t i = 0; i < width; ++i) {
          values[to * width + i] = std::move(values[r * width + i]);
        }
      }
      ++to;
    }
    values.resize(to * width);
  }
  /// In each of the arrays, row place[r] of `saved` becomes row r of `rows`, where flag[r], for
  /// r < count.
  template <class T>
  void save_rows(int count, const int* place, const char* flag,
                 const std::vector<Saved<T>>& arrays) const {
    for (const Saved<T>& array : arrays) {
      for (int r = 0; r < count; ++r) {
        if (!flag[r]) continue;
        const T* row = array.rows + r * array.width;
        std::copy(row, row + array.width, array.saved + place[r] * array.width);
      }
    }
  }
};

}  // namespace coronet::device
