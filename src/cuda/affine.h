// The affine operators on the device, but for the products of Dense (gemm.h) and Conv (conv.h):
// pull, push and bias as in bound/affine.h. No sum needs atomics: what is scattered on the CPU is
// gathered here, through an index that is turned round once, and in the same order.
#pragma once

#include <vector>

#include "cuda/device.h"
#include "cuda/geometry.h"
#include "ops/operators.h"

namespace coronet::cuda {

/// y_i = scale_i u_i + shift_i
template <class T>
class DeviceScale {
 public:
  DeviceScale(Device& device, const Scale& op);
  void pull(Device& device, const Rows& rows, const T* a, const Geometry& out, T* u,
            const Geometry& in, bool accumulate) const;
  void push(Device& device, const Rows& rows, const T* x, const Geometry& in, T* y,
            const Geometry& out) const;
  void bias(Device& device, const Rows& rows, const T* a, const Geometry& out, double* bias) const;

 private:
  int period_;
  Buffer<T> scale_, shift_;
};

/// y = sum_k coefficient_k u_k
template <class T>
class DeviceSum {
 public:
  explicit DeviceSum(const Sum& op) : coefficient_(op.coefficient.begin(), op.coefficient.end()) {}
  void pull(Device& device, const Rows& rows, const T* a, const Geometry& out, int k, T* u,
            const Geometry& in, bool accumulate) const;
  void push(Device& device, const Rows& rows, const T* const* x, const Geometry* const* in, T* y,
            const Geometry& out) const;

 private:
  std::vector<T> coefficient_;
};

/// y_i = one element of the inputs, or nothing, plus a constant. Rows are whole.
template <class T>
class DeviceSelect {
 public:
  /// `sizes`: of the inputs.
  DeviceSelect(Device& device, const Select& op, const std::vector<int>& sizes);
  void pull(Device& device, int count, const T* a, int k, T* u, bool accumulate) const;
  void push(Device& device, int count, const T* const* x, T* y) const;
  void bias(Device& device, int count, const T* a, double* bias) const;

 private:
  struct Input {
    int size = 0;
    Buffer<int> first, to;  // the outputs that read element j: to[first[j]] .. to[first[j + 1]]
    Buffer<int> from;       // [out] the element that output i reads of this input, or -1
  };
  int size_;
  std::vector<Input> inputs_;
  Buffer<T> constant_;
};

/// y = M u + bias, M in compressed rows. Rows are whole.
template <class T>
class DeviceSparse {
 public:
  DeviceSparse(Device& device, const Sparse& op, int in);
  void pull(Device& device, int count, const T* a, T* u, bool accumulate) const;
  void push(Device& device, int count, const T* x, T* y) const;
  void bias(Device& device, int count, const T* a, double* bias) const;

 private:
  struct Lists {
    Buffer<int> first, at;
    Buffer<T> value;
  };
  int in_, out_;
  Lists rows_, columns_;
  Buffer<T> bias_;
};

/// bias[r] += sum over i of a[r][i] b[i % period]: the bias of Dense (period = size) and of Conv
/// (period = channels).
template <class T>
void periodic_bias(Device& device, const Rows& rows, const Geometry& g, const T* a, const T* b,
                   int period, double* bias);

/// y[r][i] += b[i], for rows of n numbers: Dense's push.
template <class T>
void add_to_rows(Device& device, int count, int n, const T* b, T* y);

}  // namespace coronet::cuda
