// Convolution and its adjoint on rows, channels last, single-threaded, with the same one-chain rule
// as gemm.h.
//
// Each row holds a window of the image: the rows of a chunk have windows of one size, and the
// origin of row r's window is an affine function of the row's start position. A dense row is the
// window that is the whole image at origin 0.
//
// Any windows give right results. Speed wants the rows' windows to lie alike: in.origin - stride *
// out.origin the same for all rows, as for windows with in.scale == out.scale * stride, or whole
// images (scale 0, offset 0, size = extent). A row's bits depend on its own numbers and windows
// only (but for the sign of a zero where products underflow).
#pragma once

#include <vector>

#include "device/gemm.h"
#include "ops/operators.h"

namespace coronet::device {

/// Row r's window along one axis is [start[r] * scale + offset, + size); parts outside [0, extent)
/// hold zeros.
struct Span {
  int scale = 0;
  int offset = 0;
  int size = 1;
  [[nodiscard]] int origin(int start) const { return start * scale + offset; }
  friend bool operator==(const Span&, const Span&) = default;
};

/// The window of a node's image that the rows of a chunk carry: row r is
/// [y.size][x.size][channels], dense.
struct Window {
  Span y;
  Span x;
  friend bool operator==(const Window&, const Window&) = default;
};

/// What a packed convolution is used for.
enum class Directions { kBoth, kPush, kPull };

/// A convolution with its weights packed in T.
template <class T>
class PackedConv {
 public:
  PackedConv() = default;
  /// Refers to the convolution; its weight must be here.
  explicit PackedConv(const Conv& conv) : PackedConv(conv, conv.weight, Directions::kBoth) {}
  /// The same where its numbers come from elsewhere: only this call looks at them.
  PackedConv(const Conv& conv, const Weight& numbers, Directions directions);
  [[nodiscard]] const Conv& conv() const { return *conv_; }
  [[nodiscard]] std::size_t bytes() const;
  /// What a thread keeps for its products, which it has once for all convolutions in T: that of the
  /// largest. Without the room for runs over the image's edge, which is for the worst and hardly
  /// touched.
  [[nodiscard]] std::size_t scratch_bytes() const;

  /// Y[rows][whole out image] = conv(X[rows][whole in image]), the chains starting from the bias
  /// where `with_bias`.
  void push(int rows, const T* x, T* y, bool with_bias) const;

  /// U = or += conv^T(A): A is [rows] windows `out` of the output image, U is [rows] windows `in`
  /// of the input image. start_y[r], start_x[r] are the rows' start positions. What falls outside
  /// window `in` is dropped; window entries outside the image are read as zero (whatever they hold)
  /// and, with accumulate = false, written as zero.
  void pull(int rows, const int* start_y, const int* start_x, const T* a, const Window& out, T* u,
            const Window& in, bool accumulate) const;

  /// The same window form of push: X is [rows] windows `in`, Y is [rows] windows `out`; entries of
  /// X outside its window or outside the image count as zero; entries of Y outside the image are
  /// written as zero.
  void push_window(int rows, const int* start_y, const int* start_x, const T* x, const Window& in,
                   T* y, const Window& out, bool with_bias) const;

 private:
  // Along one axis, destination pixels to_step * q + to_base read the source pixels from_step * q +
  // offset[t], which are multiplied by kernel column tap[t]. The adjoint of a convolution with
  // stride s has s such phases, forward has one.
  struct Axis {
    int to_step = 1;
    int to_base = 0;
    int from_step = 1;
    std::vector<int> offset;  // ascending
    std::vector<int> tap;
  };
  // The destination pixels of one phase, for one group of channels, as an indirect GEMM.
  struct Pass {
    Axis y;
    Axis x;
    int group = 0;
    bool merged = false;  // the taps of a kernel row read one contiguous run of the source
    int pixels =
        1;         // neighbouring destination pixels that share a row of the GEMM, to fill a vector
    int span = 1;  // source pixels in a run
    int run = 0;   // numbers in a run
    PackedMatrix<T> weights;

    // Contiguous runs of the source in each row of taps.
    [[nodiscard]] int runs() const { return merged ? 1 : static_cast<int>(x.offset.size()); }
  };
  struct Room;
  struct Image;
  class Runner;
  void add_pass(std::vector<Pass>& passes, const Weight& numbers, const Axis& y, const Axis& x,
                int group, bool adjoint);
  static bool pixel_by_pixel(const Pass& pass, int rows, const Image& from, const Image& to);
  static void run(const std::vector<Pass>& passes, int rows, const Image& from, const Image& to,
                  bool load);

  const Conv* conv_ = nullptr;
  std::vector<Pass> forward_;  // one per group
  std::vector<Pass> adjoint_;  // one per phase and group
};

}  // namespace coronet::device
