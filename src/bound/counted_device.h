// A GPU that has the sizes of arrays and none of their numbers: the passes over rows run over it
// and take from an arena what they would take from a device's, and a clock says how long its
// kernels would take.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "bound/arena_arrays.h"
#include "cuda/dealing.h"
#include "cuda/geometry.h"
#include "device/cpu.h"
#include "device/extent.h"

namespace coronet::bound {

/// How fast a GPU is: docs/plan.md says which runs the numbers come from.
struct DeviceRates {
  double tf32 = 125e12;    ///< products a second in TF32 or BF16
  double fp32 = 26e12;     ///< in float32
  double fp64 = 20e12;     ///< in double
  double conv = 0.15;      ///< a convolution's products in a second, of a matrix's
  double memory = 2.2e12;  ///< bytes a second that kernels read and write
  double launch = 1e-5;    ///< seconds of a kernel at least
  double peer = 200e9;     ///< bytes a second that come from other GPUs
  double host = 10e9;      ///< and from the host
  double start = 0.03;  ///< seconds for the kernels of an arithmetic, float or double, that loading
                        ///< weights does not hide
};

/// Seconds of kernels that run one after the other.
class DeviceClock {
 public:
  explicit DeviceClock(const DeviceRates& rates) : rates_(rates) {}
  [[nodiscard]] const DeviceRates& rates() const { return rates_; }

  /// A kernel that moves so many bytes, and multiplies.
  void kernel(double bytes, double products = 0, double rate = 1) {
    const double s = seconds_of(bytes, products, rate);
    compute_ += s;
    seconds_ += s;
  }
  /// `tiles` kernels, together so large, whose tiles come meanwhile: so many bytes from other
  /// devices, from this one's memory, from the host.
  void walk(int tiles, double bytes, double products, double rate, double others, double own,
            double host) {
    const double work =
        std::max(tiles * rates_.launch, std::max(bytes / rates_.memory, products / rate));
    const double way = others / rates_.peer + 2 * own / rates_.memory + host / rates_.host;
    compute_ += work;
    transfer_ += way;
    seconds_ += std::max(work, way);
    fetched_ += others;
    from_host_ += host;
    tiles_ += tiles;
  }
  /// Bytes of the host that the device waits for.
  void upload(double bytes) {
    const double s = bytes / rates_.host;
    transfer_ += s;
    seconds_ += s;
    from_host_ += bytes;
  }
  void count(double products32, double products64) {
    products32_ += products32;
    products64_ += products64;
  }

  [[nodiscard]] double seconds() const { return seconds_; }
  [[nodiscard]] double compute() const { return compute_; }    ///< of kernels
  [[nodiscard]] double transfer() const { return transfer_; }  ///< of weights on their way
  [[nodiscard]] double fetched() const { return fetched_; }    ///< bytes from other devices
  [[nodiscard]] double from_host() const { return from_host_; }
  [[nodiscard]] double tiles() const { return tiles_; }
  [[nodiscard]] double products32() const { return products32_; }
  [[nodiscard]] double products64() const { return products64_; }

  /// What was added since `before`, `times` more times.
  void repeat(const DeviceClock& before, double times) {
    const DeviceClock now = *this;
    for (double DeviceClock::*sum :
         {&DeviceClock::seconds_, &DeviceClock::compute_, &DeviceClock::transfer_,
          &DeviceClock::fetched_, &DeviceClock::from_host_, &DeviceClock::tiles_,
          &DeviceClock::products32_, &DeviceClock::products64_}) {
      this->*sum += times * (now.*sum - before.*sum);
    }
  }

 private:
  [[nodiscard]] double seconds_of(double bytes, double products, double rate) const {
    return std::max(rates_.launch, std::max(bytes / rates_.memory, products / rate));
  }

  DeviceRates rates_;
  double seconds_ = 0, compute_ = 0, transfer_ = 0;
  double fetched_ = 0, from_host_ = 0, tiles_ = 0;
  double products32_ = 0, products64_ = 0;
};

/// What all arrays of a counted GPU share.
struct CountedMemory {
  CountedMemory(std::size_t limit, const DeviceRates& rates)
      : arena(std::make_unique<cuda::CountedHeap>(limit)), clock(rates) {}
  template <class T>
  [[nodiscard]] cuda::Buffer<T> take(std::size_t count, cuda::Tensor tensor, const char* what) {
    return cuda::Buffer<T>(arena, count, tensor, what);
  }

  cuda::Arena arena;
  DeviceClock clock;
};

class CountedDevice : public ArenaArrays {
 public:
  template <class T>
  using Splits = std::vector<char>;

  CountedDevice(CountedMemory& memory, cuda::Tensor tensor)
      : ArenaArrays(memory.arena, tensor), memory_(&memory) {}

  static cuda::Geometry geometry(const device::Extent& e) {
    return e.whole ? cuda::whole(e.shape) : cuda::windowed(e.shape, e.window);
  }
  /// A kernel that sums over rows of T, and what it takes for that.
  template <class T>
  static void sum_over_rows(CountedMemory& memory, int rows, const cuda::Geometry& g,
                            const cuda::Geometry& other, double bytes) {
    const int wide = cuda::wide_rows<T>(g, other) ? cuda::kWide<T> : 1;
    const int chunks = cuda::deal(g.size(), wide).chunks;
    if (chunks > 1) {
      const auto partial =
          memory.take<double>(static_cast<std::size_t>(rows) * static_cast<std::size_t>(chunks),
                              cuda::Tensor::kWorkspace, "sums over parts of rows");
    }
    memory.clock.kernel(bytes);
  }

  template <class Vector>
  auto upload(const Vector& from) const {
    return take<typename Vector::value_type>(from.size());
  }
  template <class T>
  void fill(T*, std::size_t n, T) const {
    moved<T>(n);
  }
  void number(int*, int n) const { moved<int>(n); }
  template <class T>
  void zero(T*, std::size_t n) const {
    moved<T>(n);
  }
  template <class T>
  void copy(const T*, std::size_t n, T*) const {
    moved<T>(2 * n);
  }
  template <class T>
  void add(const T*, std::size_t n, T*) const {
    moved<T>(3 * n);
  }
  void convert(const float*, std::size_t n, double*) const { moved<float>(3 * n); }
  template <class T>
  void read(const T*, std::size_t n, T*) const {
    memory_->clock.upload(n * sizeof(T));
    moved<T>(n);
  }
  template <class T>
  void write(const T*, std::size_t n, T*) const {
    memory_->clock.upload(n * sizeof(T));
  }

  template <class T>
  void unit_rows(const device::RowSet& rows, const device::Extent& e, const int*, const T*,
                 T*) const {
    moved<T>(numbers(rows, e));
  }
  template <class T>
  void pull_lines(const device::RowSet& rows, const int*, const device::LinesAt<T>& lines,
                  const T* alpha, const Splits<T>*, T*, const device::Extent& out, T*,
                  const device::Extent& in, bool add, double*) const {
    const double slopes = alpha == nullptr ? 0 : slopes_of(rows, lines, out);
    sum_over_rows<T>(*memory_, rows.count, geometry(out), geometry(in),
                     sizeof(T) * (numbers(rows, out) + (add ? 2 : 1) * numbers(rows, in) + slopes));
  }
  template <class T>
  void push_lines(const device::RowSet& rows, const int*, const device::LinesAt<T>& lines,
                  const device::SlopesAt<T, kernels::Moment>& slopes, Splits<T>*, const T*,
                  const device::Extent& out, const T*, const device::Extent& in, T*,
                  const device::Step<T>* step) const {
    double bytes = sizeof(T) * (2 * numbers(rows, out) + numbers(rows, in));
    if (slopes.value != nullptr) {
      const double n = slopes_of(rows, lines, out);
      bytes += n * (step == nullptr ? sizeof(T) : 2 * sizeof(T) + 4 * sizeof(kernels::Moment));
    }
    memory_->clock.kernel(bytes);
  }
  template <class T>
  void start_slopes(const device::RowSet& rows, const int*, const device::LinesAt<T>& lines,
                    const device::Extent& e, T*) const {
    memory_->clock.kernel(sizeof(T) * slopes_of(rows, lines, e));
  }
  template <class T>
  void concretize(const device::RowSet& rows, const int*, const T*, const device::Extent& e,
                  const T*, const T*, const double*, T*) const {
    summed<T>(rows, e);
  }
  template <class T>
  void minimizers(const device::RowSet& rows, const int*, const T*, const device::Extent& e,
                  const T*, const T*, T*) const {
    memory_->clock.kernel(2 * sizeof(T) * numbers(rows, e));
  }
  void charge(const device::RowSet& rows, const double*, const device::Extent& e, const double*,
              double, double*) const {
    summed<double>(rows, e);
  }
  void charge_bias(int count, const double*, double, double*) const { moved<double>(count); }
  void note(int count, const kernels::Noting<float>&, const kernels::Standing<float>&,
            const float*) const {
    moved<float>(count);
  }

  /// No rows are thought to leave.
  struct Kept {};
  [[nodiscard]] Kept kept(const std::vector<char>&) const { return {}; }
  template <class V>
  void keep_rows(V&, std::size_t, const Kept&) const {}
  template <class T>
  void save_rows(int count, const int*, const char*,
                 const std::vector<device::Saved<T>>& arrays) const {
    double width = 0;
    for (const device::Saved<T>& a : arrays) width += static_cast<double>(a.width);
    memory_->clock.kernel(2 * sizeof(T) * width * count);
  }

 private:
  static double numbers(const device::RowSet& rows, const device::Extent& e) {
    return static_cast<double>(rows.count) * e.size();
  }
  template <class T>
  static double slopes_of(const device::RowSet& rows, const device::LinesAt<T>& lines,
                          const device::Extent& e) {
    return static_cast<double>(rows.count) *
           (e.whole && lines.sloped > 0 ? lines.sloped : e.size());
  }
  template <class T>
  void moved(std::size_t n) const {
    memory_->clock.kernel(static_cast<double>(n) * sizeof(T));
  }
  template <class T>
  void summed(const device::RowSet& rows, const device::Extent& e) const {
    const cuda::Geometry g = geometry(e);
    sum_over_rows<T>(*memory_, rows.count, g, g, sizeof(T) * numbers(rows, e));
  }

  CountedMemory* memory_;
};

}  // namespace coronet::bound
