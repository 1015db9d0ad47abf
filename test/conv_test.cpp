// Convolution on rows and windows against plain loops: the same chains, on every instruction set.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "conv_shape.h"
#include "device/conv.h"
#include "device_numbers.h"
#include "kernels/isa.h"

namespace coronet::device {
namespace {

using test::numbers;

template <class T>
using ConvTest = test::DeviceTest<T>;
TYPED_TEST_SUITE(ConvTest, test::FloatAndDouble);

struct Config {
  Shape in;
  int channels;
  test::Window2 window;
};

Conv make(const Config& c, bool float64, std::mt19937& random) {
  Conv conv = test::conv_shape(c.in, c.channels, c.window);
  const int taps = conv.kernel_h * conv.kernel_w;
  conv.weight = test::weight(
      static_cast<std::size_t>(c.channels * taps * c.in.channels / conv.groups), float64, random);
  conv.bias = numbers<double>(static_cast<std::size_t>(c.channels), random);
  return conv;
}

std::vector<Config> configs() {
  return {
      {{6, 7, 3}, 5, {3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1}},
      {{8, 8, 4}, 20, {4, 4, 2, 2, 1, 1, 1, 1, 1, 1, 1}},
      {{5, 5, 7}, 40, {3, 2, 1, 1, 1, 1, 0, 0, 0, 0, 1}},
      {{9, 8, 3}, 33, {3, 3, 2, 3, 1, 1, 0, 1, 2, 1, 1}},
      {{10, 9, 2}, 4, {3, 3, 1, 1, 2, 3, 2, 1, 0, 3, 1}},
      {{9, 9, 6}, 8, {3, 3, 2, 2, 2, 1, 1, 1, 1, 1, 2}},
      {{7, 7, 5}, 5, {3, 3, 1, 2, 1, 1, 1, 1, 1, 1, 5}},
      {{1, 12, 3}, 6, {1, 5, 1, 2, 1, 1, 0, 2, 0, 2, 1}},
      {{4, 4, 130}, 17, {3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1}},
      {{6, 6, 400}, 3, {2, 2, 1, 1, 1, 1, 1, 0, 0, 1, 1}},
      {{8, 8, 3}, 8, {2, 2, 3, 3, 1, 1, 0, 0, 0, 0, 1}},
      {{16, 35, 3}, 32, {5, 5, 1, 1, 1, 1, 2, 2, 2, 2, 1}},
      {{12, 12, 16}, 3, {3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1}},
      {{5, 5, 2}, 3, {1, 1, 2, 2, 1, 1, 0, 0, 0, 0, 1}},
      {{7, 7, 3}, 4, {2, 2, 2, 2, 3, 3, 0, 0, 0, 0, 1}},
  };
}

std::size_t area(const Window& window, int channels) {
  return static_cast<std::size_t>(window.y.size * window.x.size * channels);
}

// Element (y, x, channel) of row `row`, coordinates in the image; null outside the window or the
// image.
template <class T>
T* at(std::vector<T>& rows, int row, const Window& window, int start_y, int start_x,
      const Shape& shape, int y, int x, int channel) {
  const int i = y - window.y.origin(start_y);
  const int j = x - window.x.origin(start_x);
  if (y < 0 || y >= shape.height || x < 0 || x >= shape.width) return nullptr;
  if (i < 0 || i >= window.y.size || j < 0 || j >= window.x.size) return nullptr;
  return &rows[static_cast<std::size_t>(row) * area(window, shape.channels) +
               static_cast<std::size_t>((i * window.x.size + j) * shape.channels + channel)];
}

template <class T>
T weight_at(const Conv& conv, int o, int ky, int kx, int i) {
  const int in = conv.in.channels / conv.groups;
  return static_cast<T>(conv.weight.at(
      static_cast<std::size_t>(((o * conv.kernel_h + ky) * conv.kernel_w + kx) * in + i)));
}

template <class T>
struct Rows {
  int count;
  std::vector<int> start_y;
  std::vector<int> start_x;
};

template <class T>
std::vector<T> push_chain(const Conv& conv, const Rows<T>& rows, std::vector<T> x, const Window& in,
                          const Window& out, bool with_bias) {
  std::vector<T> y(static_cast<std::size_t>(rows.count) * area(out, conv.out.channels));
  const int cin = conv.in.channels / conv.groups;
  const int cout = conv.out.channels / conv.groups;
  for (int r = 0; r < rows.count; ++r) {
    const auto row = static_cast<std::size_t>(r);
    const int sy = rows.start_y[row];
    const int sx = rows.start_x[row];
    for (int oy = 0; oy < conv.out.height; ++oy) {
      for (int ox = 0; ox < conv.out.width; ++ox) {
        for (int o = 0; o < conv.out.channels; ++o) {
          T* const to = at(y, r, out, sy, sx, conv.out, oy, ox, o);
          if (to == nullptr) continue;
          T sum = with_bias ? static_cast<T>(conv.bias[static_cast<std::size_t>(o)]) : T{};
          for (int ky = 0; ky < conv.kernel_h; ++ky) {
            for (int kx = 0; kx < conv.kernel_w; ++kx) {
              for (int i = 0; i < cin; ++i) {
                const T* const from = at(x, r, in, sy, sx, conv.in,
                                         oy * conv.stride_h + ky * conv.dilation_h - conv.pad_top,
                                         ox * conv.stride_w + kx * conv.dilation_w - conv.pad_left,
                                         o / cout * cin + i);
                if (from != nullptr) sum = std::fma(*from, weight_at<T>(conv, o, ky, kx, i), sum);
              }
            }
          }
          *to = sum;
        }
      }
    }
  }
  return y;
}

// Taps in descending order of (ky, kx): ascending out pixels.
template <class T>
std::vector<T> pull_chain(const Conv& conv, const Rows<T>& rows, std::vector<T> a,
                          const Window& out, std::vector<T> u, const Window& in, bool accumulate) {
  const int cin = conv.in.channels / conv.groups;
  const int cout = conv.out.channels / conv.groups;
  if (!accumulate) std::fill(u.begin(), u.end(), T{});
  for (int r = 0; r < rows.count; ++r) {
    const auto row = static_cast<std::size_t>(r);
    const int sy = rows.start_y[row];
    const int sx = rows.start_x[row];
    for (int y = 0; y < conv.in.height; ++y) {
      for (int x = 0; x < conv.in.width; ++x) {
        for (int i = 0; i < conv.in.channels; ++i) {
          T* const to = at(u, r, in, sy, sx, conv.in, y, x, i);
          if (to == nullptr) continue;
          for (int ky = conv.kernel_h - 1; ky >= 0; --ky) {
            for (int kx = conv.kernel_w - 1; kx >= 0; --kx) {
              const int dy = y + conv.pad_top - ky * conv.dilation_h;
              const int dx = x + conv.pad_left - kx * conv.dilation_w;
              if (dy % conv.stride_h != 0 || dx % conv.stride_w != 0) continue;
              const int group = i / cin;
              for (int o = group * cout; o < (group + 1) * cout; ++o) {
                const T* const from =
                    at(a, r, out, sy, sx, conv.out, dy / conv.stride_h, dx / conv.stride_w, o);
                if (from != nullptr) {
                  *to = std::fma(*from, weight_at<T>(conv, o, ky, kx, i % cin), *to);
                }
              }
            }
          }
        }
      }
    }
  }
  return u;
}

template <class T>
Rows<T> dense(int count) {
  return {count, std::vector<int>(static_cast<std::size_t>(count)),
          std::vector<int>(static_cast<std::size_t>(count))};
}

TYPED_TEST(ConvTest, WholeImagesAreChains) {
  using T = TypeParam;
  std::mt19937 random(1);
  for (const Config& config : configs()) {
    for (int variant = 0; variant < 4; ++variant) {
      const Conv conv = make(config, (variant & 1) != 0, random);
      const bool option = (variant & 2) != 0;
      const Window in{{0, 0, conv.in.height}, {0, 0, conv.in.width}};
      const Window out{{0, 0, conv.out.height}, {0, 0, conv.out.width}};
      const int count = 7;
      const Rows<T> rows = dense<T>(count);
      const std::vector<T> x = numbers<T>(count * area(in, conv.in.channels), random);
      const std::vector<T> a = numbers<T>(count * area(out, conv.out.channels), random);
      const std::vector<T> y = push_chain<T>(conv, rows, x, in, out, option);
      const std::vector<T> u = pull_chain<T>(conv, rows, a, out, x, in, option);
      for (const char* isa : {"baseline", "avx2", "avx512"}) {
        if (!kernels::set_isa(isa)) continue;
        SCOPED_TRACE(testing::Message()
                     << isa << " config " << (&config - &configs()[0]) << " in " << conv.in.height
                     << 'x' << conv.in.width << 'x' << conv.in.channels << " variant " << variant);
        const PackedConv<T> packed(conv);
        std::vector<T> pushed(y.size(), T{9});
        packed.push(count, x.data(), pushed.data(), option);
        ASSERT_EQ(pushed, y);
        std::vector<T> pulled = x;
        packed.pull(count, rows.start_y.data(), rows.start_x.data(), a.data(), out, pulled.data(),
                    in, option);
        ASSERT_EQ(pulled, u);
        // one row at a time: the same bits
        std::fill(pushed.begin(), pushed.end(), T{8});
        pulled = x;
        for (std::size_t row = 0; row < count; ++row) {
          packed.push(1, x.data() + row * area(in, conv.in.channels),
                      pushed.data() + row * area(out, conv.out.channels), option);
          packed.pull(1, rows.start_y.data(), rows.start_x.data(),
                      a.data() + row * area(out, conv.out.channels), out,
                      pulled.data() + row * area(in, conv.in.channels), in, option);
        }
        ASSERT_EQ(pushed, y);
        ASSERT_EQ(pulled, u);
      }
    }
  }
}

TYPED_TEST(ConvTest, WindowsAreChains) {
  using T = TypeParam;
  std::mt19937 random(2);
  const auto pick = [&](int low, int high) {
    return std::uniform_int_distribution<int>(low, high)(random);
  };
  for (int trial = 0; trial < 400; ++trial) {
    const std::vector<Config> all = configs();
    const Conv conv =
        make(all[static_cast<std::size_t>(trial) % all.size()], trial % 3 == 0, random);
    const int kind =
        pick(0, 3);  // 0: the engine's patches; 1: unrelated; 2: whole in; 3: whole out
    const auto spans = [&](int in_extent, int out_extent, int kernel, int stride, int dilation,
                           int pad, Span& in, Span& out) {
      const int scale = pick(1, 2);
      const int size = pick(1, 4);
      const int offset = pick(-2, 1);
      out = {scale, offset, size};
      in = {scale * stride, offset * stride - pad,
            (size - 1) * stride + (kernel - 1) * dilation + 1};
      if (kind == 1) in = {pick(0, 3), pick(-3, 3), pick(1, 7)};
      if (kind == 2) in = {0, 0, in_extent};
      if (kind == 3) out = {0, 0, out_extent};
    };
    Window in;
    Window out;
    spans(conv.in.height, conv.out.height, conv.kernel_h, conv.stride_h, conv.dilation_h,
          conv.pad_top, in.y, out.y);
    spans(conv.in.width, conv.out.width, conv.kernel_w, conv.stride_w, conv.dilation_w,
          conv.pad_left, in.x, out.x);
    const int count = pick(1, 20);
    Rows<T> rows = dense<T>(count);
    for (int& start : rows.start_y) start = pick(0, conv.out.height - 1);
    for (int& start : rows.start_x) start = pick(0, conv.out.width - 1);
    const auto n = static_cast<std::size_t>(count);
    const std::vector<T> x = numbers<T>(n * area(in, conv.in.channels), random);
    const std::vector<T> a = numbers<T>(n * area(out, conv.out.channels), random);
    const bool option = pick(0, 1) == 1;
    const std::vector<T> y = push_chain<T>(conv, rows, x, in, out, option);
    const std::vector<T> u = pull_chain<T>(conv, rows, a, out, x, in, option);
    for (const char* isa : {"baseline", "avx2", "avx512"}) {
      if (!kernels::set_isa(isa)) continue;
      SCOPED_TRACE(testing::Message() << isa << " trial " << trial << " kind " << kind);
      const PackedConv<T> packed(conv);
      std::vector<T> pushed(y.size(), T{9});
      packed.push_window(count, rows.start_y.data(), rows.start_x.data(), x.data(), in,
                         pushed.data(), out, option);
      ASSERT_EQ(pushed, y);
      std::vector<T> pulled = x;
      packed.pull(count, rows.start_y.data(), rows.start_x.data(), a.data(), out, pulled.data(), in,
                  option);
      ASSERT_EQ(pulled, u);
      const std::size_t half = n / 2;
      std::fill(pushed.begin(), pushed.end(), T{7});
      pulled = x;
      for (const bool second : {false, true}) {
        const std::size_t first = second ? half : 0;
        const int part = static_cast<int>(second ? n - half : half);
        packed.push_window(part, rows.start_y.data() + first, rows.start_x.data() + first,
                           x.data() + first * area(in, conv.in.channels), in,
                           pushed.data() + first * area(out, conv.out.channels), out, option);
        packed.pull(part, rows.start_y.data() + first, rows.start_x.data() + first,
                    a.data() + first * area(out, conv.out.channels), out,
                    pulled.data() + first * area(in, conv.in.channels), in, option);
      }
      ASSERT_EQ(pushed, y);
      ASSERT_EQ(pulled, u);
    }
  }
}

// <A, conv X> = <conv^T A, X>, with X zero outside its image.
TYPED_TEST(ConvTest, PullIsTheAdjointOfPush) {
  using T = TypeParam;
  std::mt19937 random(3);
  for (const Config& config : configs()) {
    const Conv conv = make(config, true, random);
    const PackedConv<T> packed(conv);
    const Window out{{1, 0, 2}, {1, -1, 3}};
    const Window in{{conv.stride_h, -conv.pad_top, 6}, {conv.stride_w, -conv.pad_left, 5}};
    const int count = 9;
    Rows<T> rows = dense<T>(count);
    for (int& start : rows.start_y) start = static_cast<int>(random() % 4);
    for (int& start : rows.start_x) start = static_cast<int>(random() % 4);
    const std::vector<T> x = numbers<T>(count * area(in, conv.in.channels), random);
    const std::vector<T> a = numbers<T>(count * area(out, conv.out.channels), random);
    std::vector<T> y(a.size());
    std::vector<T> u(x.size());
    packed.push_window(count, rows.start_y.data(), rows.start_x.data(), x.data(), in, y.data(), out,
                       false);
    packed.pull(count, rows.start_y.data(), rows.start_x.data(), a.data(), out, u.data(), in,
                false);
    double left = 0;
    double right = 0;
    double scale = 1;
    for (std::size_t i = 0; i < a.size(); ++i) {
      left += double{a[i]} * y[i];
      scale += std::abs(double{a[i]} * y[i]);
    }
    for (std::size_t i = 0; i < x.size(); ++i) right += double{x[i]} * u[i];
    EXPECT_NEAR(left, right, scale * 1000 * std::numeric_limits<T>::epsilon());
  }
}

}  // namespace
}  // namespace coronet::device
