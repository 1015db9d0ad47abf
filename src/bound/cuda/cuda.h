// A CUDA device as a device of the row engine: device/cpu.h says what each member does.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "bound/arena_arrays.h"
#include "cuda/device.h"
#include "cuda/geometry.h"
#include "cuda/moves.h"
#include "cuda/rows.h"
#include "cuda/splits.h"
#include "device/cpu.h"
#include "device/extent.h"

namespace coronet::bound {

inline cuda::Geometry geometry(const device::Extent& e) {
  return e.whole ? cuda::whole(e.shape) : cuda::windowed(e.shape, e.window);
}
/// A whole node may be declared as another image of the same numbers.
inline cuda::Geometry geometry(const device::Extent& e, const Shape& image) {
  return e.whole ? cuda::whole(image) : cuda::windowed(e.shape, e.window);
}
inline cuda::Rows rows_of(const device::RowSet& rows, const int* domain = nullptr) {
  return {rows.count, rows.start_y, rows.start_x, domain};
}

class Cuda : public ArenaArrays {
 public:
  /// Split neurons of one node, of all rows. They stay where they are: where rows leave, only the
  /// numbers of the rows change.
  template <class T>
  struct Splits {
    Array<int> row, neuron;
    Array<T> sign, beta, m, v, aside;
    cuda::Splits<T> at;  ///< the same as the kernels take it, once point() was called

    void point() {
      at = {static_cast<int>(row.size()),
            row.data(),
            neuron.data(),
            sign.data(),
            beta.data(),
            m.data(),
            v.data(),
            aside.data()};
    }
  };

  /// `tensor`: what the arrays that are made through this handle hold.
  Cuda(cuda::Device& device, cuda::Tensor tensor)
      : ArenaArrays(device.arena(), tensor), device_(&device) {}
  [[nodiscard]] cuda::Device& device() const { return *device_; }

  /// As the kernels take them.
  template <class T>
  static cuda::Lines<T> lines_of(const device::LinesAt<T>& lines) {
    return {lines.relu, lines.floor, lines.sl,   lines.tl,
            lines.su,   lines.tu,    lines.free, lines.sloped};
  }

  template <class T>
  void fill(T* to, std::size_t n, T value) const {
    cuda::fill(*device_, n, value, to);
  }
  void number(int* to, int n) const { cuda::number(*device_, n, to); }
  template <class T>
  void zero(T* to, std::size_t n) const {
    device_->zero(to, n * sizeof(T));
  }
  template <class T>
  void copy(const T* from, std::size_t n, T* to) const {
    device_->copy(to, from, n * sizeof(T));
  }
  template <class T>
  void add(const T* from, std::size_t n, T* to) const {
    cuda::add(*device_, n, from, to);
  }
  void convert(const float* from, std::size_t n, double* to) const {
    cuda::convert(*device_, n, from, to);
  }
  template <class T>
  void read(const T* from, std::size_t n, T* to) const {
    device_->download(to, from, n);
  }
  /// The same without waiting for it, as Device::start_get().
  template <class T>
  void start_read(const T* from, std::size_t n, T* to) const {
    device_->start_get(to, from, n * sizeof(T));
  }
  template <class T>
  void write(const T* from, std::size_t n, T* to) const {
    device_->put(to, from, n * sizeof(T));
  }
  /// From the host.
  template <class Vector>
  auto upload(const Vector& from) const {
    using T = typename Vector::value_type;
    Array<T> to = take<T>(from.size());
    device_->put(to.data(), from.data(), from.size() * sizeof(T));
    return to;
  }
  /// The same without waiting for it, as Device::start_put().
  template <class Vector>
  auto start_upload(const Vector& from) const {
    using T = typename Vector::value_type;
    Array<T> to = take<T>(from.size());
    device_->start_put(to.data(), from.data(), from.size() * sizeof(T));
    return to;
  }

  template <class T>
  void unit_rows(const device::RowSet& rows, const device::Extent& e, const int* neuron,
                 const T* sign, T* to) const {
    cuda::start_rows(*device_, rows_of(rows), geometry(e), neuron, sign, to);
  }
  template <class T>
  void pull_lines(const device::RowSet& rows, const int* domain, const device::LinesAt<T>& lines,
                  const T* alpha, const Splits<T>* splits, T* a, const device::Extent& out, T* u,
                  const device::Extent& in, bool add, double* bias) const {
    const cuda::Rows on = rows_of(rows, domain);
    const cuda::Geometry from = geometry(out);
    const cuda::Geometry to = geometry(in);
    const bool split = splits != nullptr && splits->at.count > 0;
    if (split) cuda::set_aside(*device_, on, from, a, splits->at);
    cuda::pull_lines(*device_, on, lines_of(lines), alpha, a, from, u, to, add, bias);
    if (split) cuda::pull_splits(*device_, on, from, a, to, u, lines.floor, splits->at);
  }
  template <class T>
  void push_lines(const device::RowSet& rows, const int* domain, const device::LinesAt<T>& lines,
                  const device::SlopesAt<T, kernels::Moment>& slopes, Splits<T>* splits, const T* a,
                  const device::Extent& out, const T* z, const device::Extent& in, T* to,
                  const device::Step<T>* step) const {
    const cuda::Rows on = rows_of(rows, domain);
    const cuda::Geometry from = geometry(in);
    const bool stepped = step != nullptr && slopes.value != nullptr;
    const bool split = splits != nullptr && splits->at.count > 0;
    if (split) cuda::read_splits(*device_, on, from, z, splits->at);
    cuda::push_lines(*device_, on, lines_of(lines),
                     cuda::Slopes<T>{slopes.value, slopes.m, slopes.v, slopes.rate},
                     stepped ? &step->alpha : nullptr, a, geometry(out), z, from, to);
    if (split) {
      cuda::push_splits(*device_, on, geometry(out), to, lines.floor,
                        step != nullptr ? &step->beta : nullptr, splits->at);
    }
  }
  template <class T>
  void start_slopes(const device::RowSet& rows, const int* domain, const device::LinesAt<T>& lines,
                    const device::Extent& e, T* slopes) const {
    const bool some = e.whole && lines.sloped > 0;
    cuda::spread(*device_, rows_of(rows, domain),
                 some ? cuda::whole({1, 1, lines.sloped}) : geometry(e), lines.sl, slopes);
  }
  template <class T>
  void concretize(const device::RowSet& rows, const int* domain, const T* a,
                  const device::Extent& e, const T* lo, const T* hi, const double* bias,
                  T* bound) const {
    cuda::concretize(*device_, rows_of(rows, domain), geometry(e), a, lo, hi, bias, bound, nullptr,
                     0.0);
  }
  template <class T>
  void minimizers(const device::RowSet& rows, const int* domain, const T* a,
                  const device::Extent& e, const T* lo, const T* hi, T* x) const {
    cuda::minimizer(*device_, rows_of(rows, domain), geometry(e), a, lo, hi, x);
  }
  void charge(const device::RowSet& rows, const double* a, const device::Extent& e, const double* w,
              double factor, double* error) const {
    cuda::charge(*device_, rows_of(rows), geometry(e), a, w, factor, error);
  }
  void charge_bias(int count, const double* bias, double factor, double* error) const {
    cuda::charge_bias(*device_, count, bias, factor, error, true);
  }

  void note(int count, const kernels::Noting<float>& how, const kernels::Standing<float>& rows,
            const float* bound) const {
    cuda::note(*device_, count, how, rows, bound);
  }
  struct Kept {
    Array<int> index;   ///< of the rows that stay, in order
    Array<int> number;  ///< [rows] the new number of each, or -1
  };
  [[nodiscard]] Kept kept(const std::vector<char>& keep) const {
    std::vector<int> index;
    std::vector<int> number(keep.size(), -1);
    for (std::size_t r = 0; r < keep.size(); ++r) {
      if (!keep[r]) continue;
      number[r] = static_cast<int>(index.size());
      index.push_back(static_cast<int>(r));
    }
    return {upload(index), upload(number)};
  }
  template <class T>
  void keep_rows(Array<T>& values, std::size_t width, const Kept& keep) const {
    if (values.empty()) return;
    Array<T> rows;
    reserve(rows, keep.index.size() * width);
    cuda::gather_rows(*device_, {{values.data(), rows.data(), width * sizeof(T)}},
                      static_cast<int>(keep.index.size()), keep.index.data());
    values = std::move(rows);
  }
  template <class T>
  void keep_rows(Splits<T>& splits, std::size_t, const Kept& keep) const {
    if (splits.at.count > 0) renumber_rows(splits, keep.number);
  }
  /// Row r's splits become those of row to[r]; -1: they keep what they have, and concern no row.
  template <class T>
  void renumber_rows(Splits<T>& splits, const Array<int>& to) const {
    cuda::renumber_rows(*device_, splits.at.count, to.data(), splits.row.data());
  }

  template <class T>
  void save_rows(int count, const int* place, const char* flag,
                 const std::vector<device::Saved<T>>& arrays) const {
    std::vector<cuda::Moved> moved;
    for (const device::Saved<T>& a : arrays)
      moved.push_back({a.rows, a.saved, a.width * sizeof(T)});
    cuda::save_rows(*device_, moved, count, place, flag);
  }

 private:
  cuda::Device* device_;
};

}  // namespace coronet::bound
