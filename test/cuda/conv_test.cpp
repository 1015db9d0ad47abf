// Convolution on rows and windows against the CPU's: the same chains, so the same numbers; with
// TF32 to its rounding.
#include "cuda/conv.h"

#include <cmath>

#include "cuda_fixture.h"
#include "device/conv.h"

namespace coronet::cuda {
namespace {

using device::Extent;
using device::PackedConv;
using device::Span;
using device::Window;

template <class T>
class CudaConv : public CudaTest {};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(CudaConv, Types);

struct Config {
  int in_h, in_w, in_c, out_c, kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w;
  int pad_top, pad_left, pad_bottom, pad_right, groups;
};
const Config kConfigs[] = {
    {6, 7, 3, 5, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1},
    {8, 8, 4, 20, 4, 4, 2, 2, 1, 1, 1, 1, 1, 1, 1},
    {5, 5, 7, 40, 3, 2, 1, 1, 1, 1, 0, 0, 0, 0, 1},
    {9, 8, 3, 33, 3, 3, 2, 3, 1, 1, 0, 1, 2, 1, 1},
    {10, 9, 2, 4, 3, 3, 1, 1, 2, 3, 2, 1, 0, 3, 1},
    {9, 9, 6, 8, 3, 3, 2, 2, 2, 1, 1, 1, 1, 1, 2},
    {7, 7, 5, 5, 3, 3, 1, 2, 1, 1, 1, 1, 1, 1, 5},
    {1, 12, 3, 6, 1, 5, 1, 2, 1, 1, 0, 2, 0, 2, 1},
    {4, 4, 130, 17, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1},
    {6, 6, 100, 3, 2, 2, 1, 1, 1, 1, 1, 0, 0, 1, 1},
    {8, 8, 3, 8, 2, 2, 3, 3, 1, 1, 0, 0, 0, 0, 1},
    {12, 12, 16, 3, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1},
    {5, 5, 2, 3, 1, 1, 2, 2, 1, 1, 0, 0, 0, 0, 1},
    {12, 11, 16, 16, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1},
    {12, 11, 16, 32, 3, 3, 2, 2, 1, 1, 1, 1, 1, 1, 1},
    {8, 8, 64, 64, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1},
    {7, 7, 32, 96, 3, 3, 2, 2, 1, 1, 1, 1, 0, 0, 2},
};

Conv make(const Config& c, bool wide, std::mt19937& random) {
  Conv conv;
  conv.in = {c.in_h, c.in_w, c.in_c};
  const auto size = [](int extent, int pads, int kernel, int dilation, int stride) {
    return (extent + pads - dilation * (kernel - 1) - 1) / stride + 1;
  };
  conv.out = {size(c.in_h, c.pad_top + c.pad_bottom, c.kernel_h, c.dilation_h, c.stride_h),
              size(c.in_w, c.pad_left + c.pad_right, c.kernel_w, c.dilation_w, c.stride_w),
              c.out_c};
  conv.kernel_h = c.kernel_h;
  conv.kernel_w = c.kernel_w;
  conv.stride_h = c.stride_h;
  conv.stride_w = c.stride_w;
  conv.dilation_h = c.dilation_h;
  conv.dilation_w = c.dilation_w;
  conv.pad_top = c.pad_top;
  conv.pad_left = c.pad_left;
  conv.groups = c.groups;
  const auto count =
      static_cast<std::size_t>(c.out_c * c.kernel_h * c.kernel_w * c.in_c / c.groups);
  if (wide) {
    conv.weight.d = numbers<double>(count, random);
  } else {
    conv.weight.f = numbers<float>(count, random);
  }
  conv.bias = numbers<double>(static_cast<std::size_t>(c.out_c), random);
  return conv;
}

Extent window_of(const Shape& shape, const Window& w) {
  Extent e;
  e.shape = shape;
  e.window = w;
  e.whole = false;
  return e;
}

template <class T>
void compare(Device& device, const Conv& conv, const TestRows& rows, const Extent& in,
             const Extent& out, bool option, std::mt19937& random) {
  const PackedConv<T> cpu(conv);
  const DeviceConv<T> gpu(device, conv);
  const auto count = static_cast<std::size_t>(rows.set.count);
  const std::vector<T> x = numbers<T>(count * in.size(), random);
  const std::vector<T> a = numbers<T>(count * out.size(), random);
  std::vector<T> y(a.size(), T(9));
  std::vector<T> u = x;
  cpu.push_window(rows.set.count, rows.start_y.data(), rows.start_x.data(), x.data(), in.window,
                  y.data(), out.window, option);
  cpu.pull(rows.set.count, rows.start_y.data(), rows.start_x.data(), a.data(), out.window, u.data(),
           in.window, option);
  const On<T> on_x(device, x), on_a(device, a);
  const On<T> on_y(device, std::vector<T>(a.size(), T(8))), on_u(device, x);
  gpu.push(device, rows.rows, on_x.data(), geometry(in), on_y.data(), geometry(out), option);
  gpu.pull(device, rows.rows, on_a.data(), geometry(out), on_u.data(), geometry(in), option);
  ASSERT_EQ(on_y.back(), y);
  ASSERT_EQ(on_u.back(), u);
  if (sizeof(T) == 8) return;
  const On<T> y32(device, std::vector<T>(a.size(), T(8))), u32(device, x);
  gpu.push(device, rows.rows, on_x.data(), geometry(in), y32.data(), geometry(out), option,
           Precision::kTf32);
  gpu.pull(device, rows.rows, on_a.data(), geometry(out), u32.data(), geometry(in), option,
           Precision::kTf32);
  const std::vector<T> got_y = y32.back(), got_u = u32.back();
  const int taps = conv.kernel_h * conv.kernel_w;
  const double bound_y = 0x1p-10 * 2 * std::sqrt(1.0 + taps * conv.in.channels);
  const double bound_u = 0x1p-10 * 2 * std::sqrt(1.0 + taps * conv.out.channels);
  for (std::size_t i = 0; i < y.size(); ++i) ASSERT_NEAR(got_y[i], y[i], bound_y) << i;
  for (std::size_t i = 0; i < u.size(); ++i) ASSERT_NEAR(got_u[i], u[i], bound_u) << i;
}

TYPED_TEST(CudaConv, WholeImages) {
  std::mt19937 random(41);
  for (const Config& config : kConfigs) {
    for (int variant = 0; variant < 4; ++variant) {
      const Conv conv = make(config, (variant & 1) != 0, random);
      SCOPED_TRACE(testing::Message() << "config " << &config - kConfigs << " variant " << variant);
      const TestRows rows(this->device(), pick(random, 1, 40), conv.out.height, conv.out.width, 1,
                          random);
      compare<TypeParam>(this->device(), conv, rows, Extent::all(conv.in), Extent::all(conv.out),
                         (variant & 2) != 0, random);
      if (this->HasFatalFailure()) return;
    }
  }
}

TYPED_TEST(CudaConv, Windows) {
  std::mt19937 random(42);
  for (int trial = 0; trial < 300; ++trial) {
    const Config& config = kConfigs[trial % std::size(kConfigs)];
    const Conv conv = make(config, trial % 3 == 0, random);
    // 0: the engine's patches; 1: unrelated; 2: all of the input; 3: all of the output
    const int kind = pick(random, 0, 3);
    const auto spans = [&](int in_extent, int out_extent, int kernel, int stride, int dilation,
                           int pad, Span& in, Span& out) {
      const int scale = pick(random, 1, 2);
      const int size = pick(random, 1, 4);
      const int offset = pick(random, -2, 1);
      out = {scale, offset, size};
      in = {scale * stride, offset * stride - pad,
            (size - 1) * stride + (kernel - 1) * dilation + 1};
      if (kind == 1) in = {pick(random, 0, 3), pick(random, -3, 3), pick(random, 1, 7)};
      if (kind == 2) in = {0, 0, in_extent};
      if (kind == 3) out = {0, 0, out_extent};
    };
    Window in, out;
    spans(conv.in.height, conv.out.height, conv.kernel_h, conv.stride_h, conv.dilation_h,
          conv.pad_top, in.y, out.y);
    spans(conv.in.width, conv.out.width, conv.kernel_w, conv.stride_w, conv.dilation_w,
          conv.pad_left, in.x, out.x);
    SCOPED_TRACE(testing::Message() << "trial " << trial << " kind " << kind);
    const TestRows rows(this->device(), pick(random, 1, 50), conv.out.height, conv.out.width, 1,
                        random);
    compare<TypeParam>(this->device(), conv, rows, window_of(conv.in, in), window_of(conv.out, out),
                       pick(random, 0, 1) == 1, random);
    if (this->HasFatalFailure()) return;
  }
}

TYPED_TEST(CudaConv, Bias) {
  using T = TypeParam;
  std::mt19937 random(43);
  const Conv conv = make(kConfigs[13], false, random);
  const DeviceConv<T> gpu(this->device(), conv);
  for (const bool whole_node : {true, false}) {
    const TestRows rows(this->device(), 20, conv.out.height, conv.out.width, 1, random);
    const Extent out = some_extent(conv.out, whole_node, random);
    const std::vector<T> a = numbers<T>(static_cast<std::size_t>(20) * out.size(), random);
    std::vector<double> bias(20, 1.0);
    for (int r = 0; r < 20; ++r) {
      for_each_run(
          out, rows.set, r,
          [&](int offset, int node, int n) {
            for (int i = 0; i < n; ++i) {
              bias[r] += a[static_cast<std::size_t>(r) * out.size() + offset + i] *
                         conv.bias[(node + i) % conv.out.channels];
            }
          },
          [](int, int) {});
    }
    const On<T> on_a(this->device(), a);
    const On<double> on_bias(this->device(), std::vector<double>(20, 1.0));
    gpu.bias(this->device(), rows.rows, on_a.data(), geometry(out), on_bias.data());
    for (int r = 0; r < 20; ++r) {
      EXPECT_NEAR(on_bias.back()[r], bias[r], sizeof(T) == 4 ? 1e-3 : 1e-11);
    }
  }
}

}  // namespace
}  // namespace coronet::cuda
