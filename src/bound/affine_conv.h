#pragma once

#include <cmath>

#include "base/aligned.h"
#include "bound/affine.h"
#include "bound/dealing.h"
#include "device/conv.h"
#include "device/vector.h"

namespace coronet::bound {

/// Convolution: pull is the transposed convolution on windows. A weight that is not here is
/// gathered whole and packed for each use, by each worker: the kernels want all taps at once, and a
/// convolution's weight is small beside its rows.
template <class T>
class AffineConv final : public Affine<T> {
 public:
  AffineConv(const Conv& op, PackBudget& budget) : op_(op) {
    bias_.assign(op.bias.begin(), op.bias.end());
    if (!op.weight.here()) return;
    packed_ = device::PackedConv<T>(op);
    budget.take(packed_.bytes());
  }

  bool windowed() const override { return true; }
  Extent reach(const Extent& out, int) const override {
    if (out.whole) return Extent::all(op_.in);
    const auto span = [](const device::Span& s, int stride, int pad, int kernel, int dilation) {
      return device::Span{s.scale * stride, s.offset * stride - pad,
                          (s.size - 1) * stride + (kernel - 1) * dilation + 1};
    };
    Extent in;
    in.shape = op_.in;
    in.whole = false;
    in.window.y = span(out.window.y, op_.stride_h, op_.pad_top, op_.kernel_h, op_.dilation_h);
    in.window.x = span(out.window.x, op_.stride_w, op_.pad_left, op_.kernel_w, op_.dilation_w);
    return tidy(in);
  }

  void pull(const RowSet& rows, const T* a, const Extent& out, int, T* u, const Extent& in,
            bool accumulate) const override {
    with_packed(device::Directions::kPull, [&](const device::PackedConv<T>& packed) {
      packed.pull(rows.count, rows.start_y, rows.start_x, a, window(out, op_.out), u,
                  window(in, op_.in), accumulate);
    });
  }

  void push(const RowSet& rows, const T* const* x, const Extent* const* in, T* y,
            const Extent& out) const override {
    with_packed(device::Directions::kPush, [&](const device::PackedConv<T>& packed) {
      if (out.whole && in[0]->whole) {
        packed.push(rows.count, x[0], y, true);
      } else {
        packed.push_window(rows.count, rows.start_y, rows.start_x, x[0], window(*in[0], op_.in), y,
                           window(out, op_.out), true);
      }
    });
  }

  void bias(const RowSet& rows, const T* a, const Extent& out, double* bias) const override {
    const int channels = op_.out.channels;
    const std::size_t size = out.size();
    for (int r = 0; r < rows.count; ++r) {
      // Parts of a window outside the image hold zeros, so the whole row may be summed.
      bias[r] += device::periodic_dot(static_cast<int>(size), a + r * size, channels, bias_.data());
    }
  }
  double bias_of(int element) const override { return op_.bias[element % op_.out.channels]; }

  void apply(const double* const* u, double* y, Workers* workers) const override {
    columns(u[0], y, false, workers);
  }
  void apply_abs(const double* const* u, double* y, Workers* workers) const override {
    columns(u[0], y, true, workers);
  }
  double hidden(int element) const override { return hidden_of(op_.precision, element); }

  int terms() const override {
    const int taps = op_.kernel_h * op_.kernel_w;
    return taps * (op_.in.channels + op_.out.channels) / op_.groups + op_.out.size() +
           op_.precision.roundings;
  }
  std::size_t bytes() const override { return packed_.bytes(); }
  /// Of a weight that is not here nothing is known.
  std::size_t scratch_bytes() const override { return packed_.scratch_bytes(); }

 private:
  /// The window in the operator's own image: a whole node may be declared as another image of the
  /// same numbers.
  static device::Window window(const Extent& extent, const Shape& image) {
    return extent.whole ? Extent::all(image).window : extent.window;
  }

  template <class Fn>
  void with_packed(device::Directions directions, const Fn& fn) const {
    if (op_.weight.here()) {
      fn(packed_);
    } else {
      fn(device::PackedConv<T>(op_, gathered(op_.weight), directions));
    }
  }

  void columns(const double* u, double* y, bool absolute, Workers* workers) const {
    Weight brought;
    if (!op_.weight.here()) brought = gathered(op_.weight);
    const Weight& weight = op_.weight.here() ? op_.weight : brought;
    const int pixels = op_.out.height * op_.out.width;
    deal(workers, pixels * weight.size(), pixels,
         [&](int first, int last) { column(weight, u, y, absolute, first, last); });
  }

  /// Of the pixels [first, last) of the image.
  void column(const Weight& weight, const double* u, double* y, bool absolute, int first,
              int last) const {
    const int cin = op_.in.channels / op_.groups;
    const int cout = op_.out.channels / op_.groups;
    const auto run = [&](const auto* weights) {
      for (int pixel = first; pixel < last; ++pixel) {
        const int oy = pixel / op_.out.width;
        const int ox = pixel % op_.out.width;
        double* out = y + static_cast<std::size_t>(pixel) * op_.out.channels;
        for (int c = 0; c < op_.out.channels; ++c) out[c] = absolute ? hidden(c) : op_.bias[c];
        for (int ky = 0; ky < op_.kernel_h; ++ky) {
          const int iy = oy * op_.stride_h - op_.pad_top + ky * op_.dilation_h;
          if (iy < 0 || iy >= op_.in.height) continue;
          for (int kx = 0; kx < op_.kernel_w; ++kx) {
            const int ix = ox * op_.stride_w - op_.pad_left + kx * op_.dilation_w;
            if (ix < 0 || ix >= op_.in.width) continue;
            const double* in =
                u + (static_cast<std::size_t>(iy) * op_.in.width + ix) * op_.in.channels;
            for (int c = 0; c < op_.out.channels; ++c) {
              const auto* w =
                  weights +
                  ((static_cast<std::size_t>(c) * op_.kernel_h + ky) * op_.kernel_w + kx) * cin;
              const double* x = in + c / cout * cin;
              double sum = 0;
              if (absolute) {
                for (int i = 0; i < cin; ++i) sum += std::fabs(static_cast<double>(w[i])) * x[i];
              } else {
                for (int i = 0; i < cin; ++i) sum += static_cast<double>(w[i]) * x[i];
              }
              out[c] += sum;
            }
          }
        }
      }
    };
    if (weight.single()) {
      run(weight.f.data());
    } else {
      run(weight.d.data());
    }
  }

  const Conv& op_;
  device::PackedConv<T> packed_;
  AlignedVector<T> bias_;
};

}  // namespace coronet::bound
