// Rates of the CUDA device's building blocks. Prints tables: all, or those named: gemm, conv, rows.
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <random>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "cuda/conv.h"
#include "cuda/device.h"
#include "cuda/gemm.h"
#include "cuda/rows.h"
#include "cuda/weights.h"

namespace {

using namespace coronet;        // NOLINT
using namespace coronet::cuda;  // NOLINT

std::vector<float> numbers(std::size_t count) {
  std::mt19937 random(1);
  std::uniform_real_distribution<float> uniform(-1, 1);
  std::vector<float> all(count);
  for (float& x : all) x = uniform(random);
  return all;
}

template <class T>
Buffer<T> on_device(Device& device, std::size_t count) {
  // A million numbers, again and again: what they are does not matter, but zeros would be faster.
  const std::size_t piece = std::min<std::size_t>(count, 1 << 20);
  const std::vector<float> some = numbers(piece);
  const std::vector<T> from(some.begin(), some.end());
  Buffer<T> to = device.take<T>(count, Tensor::kWorkspace, "numbers of the benchmark");
  for (std::size_t at = 0; at < count; at += piece) {
    device.put(to.data() + at, from.data(), std::min(piece, count - at) * sizeof(T));
  }
  return to;
}

/// Seconds of one call: the best of five times as many as take a few milliseconds.
template <class Fn>
double seconds(Device& device, Fn&& fn) {
  using Clock = std::chrono::steady_clock;
  const auto time = [&](int times) {
    const auto start = Clock::now();
    for (int i = 0; i < times; ++i) fn();
    device.wait();
    return std::chrono::duration<double>(Clock::now() - start).count() / times;
  };
  time(2);
  const int times = std::clamp(static_cast<int>(0.02 / std::max(time(1), 1e-6)), 1, 200);
  double best = 1e30;
  for (int i = 0; i < 5; ++i) best = std::min(best, time(times));
  return best;
}

template <class T>
void gemm_row(Device& device, int m, int n, cuda::Precision precision, bool wide,
              const char* name) {
  Weight w;
  const std::size_t size = static_cast<std::size_t>(n) * n;
  const std::vector<float> some = numbers(1 << 20);
  for (std::size_t i = 0; i < size; ++i) {
    if (wide) {
      w.d.push_back(some[i % some.size()]);
    } else {
      w.f.push_back(some[i % some.size()]);
    }
  }
  DenseWeight weight(device, w, n, n, "the benchmark's weight");
  const Buffer<T> a = on_device<T>(device, static_cast<std::size_t>(m) * n);
  const Buffer<T> c = on_device<T>(device, static_cast<std::size_t>(m) * n);
  fmt::print("{:14} {:5} {:5}", name, m, n);
  for (const bool transposed : {false, true}) {
    const Matrix b = weight.get({}, transposed);
    const double s =
        seconds(device, [&] { gemm(device, m, a.data(), n, b, c.data(), n, false, precision); });
    fmt::print(" {:9.3f} ms {:7.1f}", s * 1e3, 2.0 * m * n * n / s * 1e-12);
  }
  fmt::print("\n");
  std::fflush(stdout);
}

void gemms(Device& device) {
  fmt::print("GEMM             m     n=k   A W: time, TFLOP/s    A W^T\n");
  for (const int n : {4096, 8192}) {
    for (const int m : {256, 512, 1024, 2048}) {
      gemm_row<float>(device, m, n, cuda::Precision::kExact, false, "fp32");
      gemm_row<float>(device, m, n, cuda::Precision::kTf32, false, "TF32");
      if (m == 256 || m == 1024) {
        gemm_row<float>(device, m, n, cuda::Precision::kBf16, false, "bf16");
        gemm_row<double>(device, m, n, cuda::Precision::kExact, false, "fp64, W fp32");
        gemm_row<double>(device, m, n, cuda::Precision::kExact, true, "fp64, W fp64");
      }
    }
  }
}

struct Layer {
  const char* name;
  int extent, in, out, kernel, stride, pad;
};

template <class T>
void conv_row(Device& device, const Layer& l, int window, int rows, cuda::Precision precision,
              const char* type) {
  Conv op;
  op.in = {l.extent, l.extent, l.in};
  const int extent = (l.extent + 2 * l.pad - l.kernel) / l.stride + 1;
  op.out = {extent, extent, l.out};
  op.kernel_h = op.kernel_w = l.kernel;
  op.stride_h = op.stride_w = l.stride;
  op.pad_top = op.pad_left = l.pad;
  op.weight.f = numbers(static_cast<std::size_t>(l.out) * l.kernel * l.kernel * l.in);
  op.bias.assign(static_cast<std::size_t>(l.out), 0.5);
  const DeviceConv<T> conv(device, op);
  Geometry out = whole(op.out);
  Geometry in = whole(op.in);
  Rows set{rows};
  std::vector<int> start(static_cast<std::size_t>(rows));
  for (int r = 0; r < rows; ++r) start[r] = r % extent;
  const Buffer<int> on_start = device.upload(start, Tensor::kWorkspace, "starts");
  if (window > 0) {
    const device::Span o{1, -window / 2, window};
    const device::Span i{l.stride, o.offset * l.stride - l.pad, (window - 1) * l.stride + l.kernel};
    out = windowed(op.out, {o, o});
    in = windowed(op.in, {i, i});
    set.start_y = set.start_x = on_start.data();
  }
  const Buffer<T> a = on_device<T>(device, static_cast<std::size_t>(rows) * out.size());
  const Buffer<T> u = on_device<T>(device, static_cast<std::size_t>(rows) * in.size());
  // Products of the convolution over the whole window, edges included.
  const double flops = 2.0 * rows * out.size() * l.kernel * l.kernel * l.in;
  const double pull = seconds(
      device, [&] { conv.pull(device, set, a.data(), out, u.data(), in, false, precision); });
  const double push = seconds(
      device, [&] { conv.push(device, set, u.data(), in, a.data(), out, true, precision); });
  fmt::print("{:20} {:5} {:>6} {:5} {:9.3f} ms {:6.1f} {:9.3f} ms {:6.1f}\n", l.name, type,
             window > 0 ? fmt::format("{0}x{0}", window) : "whole", rows, pull * 1e3,
             flops / pull * 1e-12, push * 1e3, flops / push * 1e-12);
  std::fflush(stdout);
}

void convs(Device& device) {
  const Layer layers[] = {{"3->16 k3s1 32x32", 32, 3, 16, 3, 1, 1},
                          {"16->16 k3s1 32x32", 32, 16, 16, 3, 1, 1},
                          {"16->32 k3s2 32x32", 32, 16, 32, 3, 2, 1},
                          {"64->64 k3s1 16x16", 16, 64, 64, 3, 1, 1}};
  fmt::print("\nconvolution          type  window  rows   pull: time, TFLOP/s    push\n");
  for (const Layer& l : layers) {
    for (const int window : {0, 7, 15}) {
      const int rows = window == 0 ? 2048 : window == 7 ? 16384 : 4096;
      conv_row<float>(device, l, window, rows, cuda::Precision::kExact, "fp32");
      conv_row<float>(device, l, window, rows, cuda::Precision::kTf32, "TF32");
      conv_row<double>(device, l, window, rows, cuda::Precision::kExact, "fp64");
    }
  }
}

template <class T>
void row_rates(Device& device, const char* type, const Geometry& g, int rows, const char* what) {
  const std::size_t n = static_cast<std::size_t>(rows) * g.size();
  const std::size_t node = static_cast<std::size_t>(g.node_size());
  const Buffer<T> a = on_device<T>(device, n), u = on_device<T>(device, n);
  const Buffer<T> alpha = on_device<T>(device, n);
  const Buffer<kernels::Moment> m = device.take<kernels::Moment>(n, Tensor::kAlpha, "moments"),
                                v = device.take<kernels::Moment>(n, Tensor::kAlpha, "moments");
  device.zero(m.data(), n * sizeof(kernels::Moment));
  device.zero(v.data(), n * sizeof(kernels::Moment));
  const Buffer<T> lines = on_device<T>(device, node * 5);
  const Buffer<double> bias = on_device<double>(device, static_cast<std::size_t>(rows));
  const Lines<T> l{true,
                   T(0),
                   lines.data(),
                   lines.data() + node,
                   lines.data() + 2 * node,
                   lines.data() + 3 * node,
                   lines.data() + 4 * node};
  std::vector<int> start(static_cast<std::size_t>(rows));
  for (int r = 0; r < rows; ++r) start[r] = r % g.height;
  const Buffer<int> on_start = device.upload(start, Tensor::kWorkspace, "starts");
  const Rows set{rows, on_start.data(), on_start.data(), nullptr};
  kernels::AdamStep<T> step;
  step.rate = T(0.1);
  const double pull = seconds(device, [&] {
    pull_lines(device, set, l, alpha.data(), a.data(), g, u.data(), g, false, bias.data());
  });
  const double push = seconds(device, [&] {
    push_lines<T>(device, set, l, {alpha.data(), m.data(), v.data()}, &step, a.data(), g, u.data(),
                  g, u.data());
  });
  const double bytes = static_cast<double>(n) * sizeof(T);
  fmt::print("{:12} {:5} {:6} {:9.3f} ms {:7.0f} {:9.3f} ms {:7.0f}\n", what, type, rows,
             pull * 1e3, 3 * bytes / pull * 1e-9, push * 1e3,
             (5 * bytes + 8.0 * static_cast<double>(n)) / push * 1e-9);
  std::fflush(stdout);
}

void elementwise(Device& device) {
  fmt::print("\nrows         type   rows  relu_pull: time, GB/s    relu_push_adam\n");
  const Geometry image = whole({32, 32, 16});
  const Geometry window = windowed({32, 32, 16}, {{1, -7, 15}, {1, -7, 15}});
  row_rates<float>(device, "fp32", whole({1, 1, 4096}), 8192, "4096");
  row_rates<float>(device, "fp32", whole({1, 1, 256}), 131072, "256");
  row_rates<float>(device, "fp32", image, 2048, "32x32x16");
  row_rates<float>(device, "fp32", window, 8192, "15x15x16");
  row_rates<double>(device, "fp64", whole({1, 1, 4096}), 4096, "4096");
  row_rates<double>(device, "fp64", window, 4096, "15x15x16");
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (devices().empty()) {
      fmt::print("no CUDA device here\n");
      return 0;
    }
    Device device(0);
    const Properties& p = device.properties();
    fmt::print("{}: compute capability {}.{}, {} multiprocessors, {:.1f} GiB\n", p.name, p.major,
               p.minor, p.multiprocessors, static_cast<double>(p.memory) / (1 << 30));
    const auto wanted = [&](const char* table) {
      return argc == 1 || std::find(argv + 1, argv + argc, std::string_view(table)) != argv + argc;
    };
    if (wanted("gemm")) gemms(device);
    if (wanted("conv")) convs(device);
    if (wanted("rows")) elementwise(device);
    fmt::print("\ndevice memory at most: {:.2f} GiB\n",
               static_cast<double>(device.arena().most().total) / (1 << 30));
  } catch (const Error& e) {
    fmt::print("{}\n", e.what());
    return 1;
  }
  return 0;
}
