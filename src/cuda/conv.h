// Convolution and its adjoint on rows of whole images and of windows, with the meaning of
// device/conv.h, as implicit GEMMs of our own.
//
// In Precision::kExact every number is one chain of fused multiply-adds in the same order as on the
// CPU, starting from the bias or from what is accumulated onto: a row's bits depend on its own
// numbers and windows only, and are the CPU's (but for the sign of a zero).
#pragma once

#include <type_traits>
#include <vector>

#include "cuda/conv_phases.h"
#include "cuda/device.h"
#include "cuda/gemm.h"
#include "cuda/geometry.h"
#include "ops/operators.h"

namespace coronet::cuda {

template <class T>
class DeviceConv {
 public:
  /// Lays the weights out for both directions, all of them wherever they came from; `conv` must
  /// outlive it.
  DeviceConv(Device& device, const Conv& conv);

  /// U = or += conv^T(A), as PackedConv::pull.
  void pull(Device& device, const Rows& rows, const T* a, const Geometry& out, T* u,
            const Geometry& in, bool accumulate, Precision precision = Precision::kExact) const;

  /// Y = conv(X), as PackedConv::push_window.
  void push(Device& device, const Rows& rows, const T* x, const Geometry& in, T* y,
            const Geometry& out, bool with_bias, Precision precision = Precision::kExact) const;

  /// bias[r] += A_r . b
  void bias(Device& device, const Rows& rows, const T* a, const Geometry& out, double* bias) const;

  /// y = conv(u) without the bias, or with the weights' absolute values, of one whole image: in
  /// double, from weights that are exact.
  void column(Device& device, const double* u, bool absolute,
              double* y) const requires std::is_same_v<T, double>;

  [[nodiscard]] std::size_t bytes() const;

 private:
  struct Phase : ConvPhase {
    Buffer<int> offsets;  // [taps] dy in the upper and dx in the lower 16 bits
    Buffer<T> weights;    // [groups][k][n]
    Buffer<T> rounded;    // the same in TF32, where T is float
  };
  [[nodiscard]] Phase laid_out(Device& device, const Weight& weight, ConvPhase of,
                               bool adjoint) const;
  void run(Device& device, const std::vector<Phase>& phases, const Rows& rows, const T* from,
           const Geometry& from_g, T* to, const Geometry& to_g, const T* bias, bool accumulate,
           Precision precision) const;

  const Conv* conv_;
  std::vector<Phase> forward_, adjoint_;
  Buffer<T> bias_;
};

}  // namespace coronet::cuda
