// Own GEMM and convolution against OpenBLAS and oneDNN (where the build found them), one thread,
// best of many, in GFLOP/s.
//   device_bench [gemm|conv] [seconds per case]
#include <immintrin.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "device/conv.h"
#include "device/gemm.h"
#include "kernels/isa.h"
#ifdef CORONET_CROSS_BLAS
#include <cblas.h>
#endif
#ifdef CORONET_CROSS_DNNL
#include <dnnl.hpp>
#endif
#ifdef _OPENMP
#include <omp.h>
#endif

namespace {

using coronet::Conv;
using coronet::Shape;
using coronet::Weight;
namespace device = coronet::device;

double budget = 0.15;

double seconds() {
  using Clock = std::chrono::steady_clock;
  return std::chrono::duration<double>(Clock::now().time_since_epoch()).count();
}

// GFLOP/s of the best run; a sample is made long enough for the clock.
double best(double flops, const std::function<void()>& run) {
  run();
  const double once_start = seconds();
  run();
  const double once = std::max(seconds() - once_start, 1e-9);
  const int repeats = std::max(1, static_cast<int>(2e-4 / once));
  double shortest = 1e30;
  const double end = seconds() + budget;
  do {
    const double start = seconds();
    for (int i = 0; i < repeats; ++i) run();
    shortest = std::min(shortest, (seconds() - start) / repeats);
  } while (seconds() < end);
  return flops / shortest * 1e-9;
}

// Independent chains in registers: what the FMA units can do.
[[gnu::target("avx512f")]] double peak_avx512(long count) {
  __m512 v0{}, v1{}, v2{}, v3{}, v4{}, v5{}, v6{}, v7{}, v8{}, v9{}, v10{}, v11{};
  for (long i = 0; i < count; ++i) {
    asm("vfmadd231ps %0, %0, %0\n\tvfmadd231ps %1, %1, %1\n\tvfmadd231ps %2, %2, %2\n\t"
        "vfmadd231ps %3, %3, %3\n\tvfmadd231ps %4, %4, %4\n\tvfmadd231ps %5, %5, %5\n\t"
        "vfmadd231ps %6, %6, %6\n\tvfmadd231ps %7, %7, %7\n\tvfmadd231ps %8, %8, %8\n\t"
        "vfmadd231ps %9, %9, %9\n\tvfmadd231ps %10, %10, %10\n\tvfmadd231ps %11, %11, %11"
        : "+v"(v0), "+v"(v1), "+v"(v2), "+v"(v3), "+v"(v4), "+v"(v5), "+v"(v6), "+v"(v7), "+v"(v8),
          "+v"(v9), "+v"(v10), "+v"(v11));
  }
  return _mm512_cvtss_f32(v0 + v5 + v11);
}

[[gnu::target("avx2,fma")]] double peak_avx2(long count) {
  __m256 v0{}, v1{}, v2{}, v3{}, v4{}, v5{}, v6{}, v7{}, v8{}, v9{}, v10{}, v11{};
  for (long i = 0; i < count; ++i) {
    asm("vfmadd231ps %0, %0, %0\n\tvfmadd231ps %1, %1, %1\n\tvfmadd231ps %2, %2, %2\n\t"
        "vfmadd231ps %3, %3, %3\n\tvfmadd231ps %4, %4, %4\n\tvfmadd231ps %5, %5, %5\n\t"
        "vfmadd231ps %6, %6, %6\n\tvfmadd231ps %7, %7, %7\n\tvfmadd231ps %8, %8, %8\n\t"
        "vfmadd231ps %9, %9, %9\n\tvfmadd231ps %10, %10, %10\n\tvfmadd231ps %11, %11, %11"
        : "+x"(v0), "+x"(v1), "+x"(v2), "+x"(v3), "+x"(v4), "+x"(v5), "+x"(v6), "+x"(v7), "+x"(v8),
          "+x"(v9), "+x"(v10), "+x"(v11));
  }
  return _mm256_cvtss_f32(v0 + v5 + v11);
}

double peak_float() {
  volatile double sink = 0;
  constexpr long kCount = 100000;
  switch (coronet::kernels::current_isa()) {
    case coronet::kernels::Isa::avx512:
      return best(2.0 * 16 * 12 * kCount, [&] { sink = sink + peak_avx512(kCount); });
    case coronet::kernels::Isa::avx2:
      return best(2.0 * 8 * 12 * kCount, [&] { sink = sink + peak_avx2(kCount); });
    case coronet::kernels::Isa::baseline:
      break;
  }
  return 1;
}

template <class T>
std::vector<T> numbers(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> uniform(-1, 1);
  std::vector<T> all(count);
  for (T& x : all) x = static_cast<T>(uniform(random));
  return all;
}

template <class T>
void bench_gemm(int m, int k, int n, double peak) {
  Weight w;
  const auto count = static_cast<std::size_t>(k) * static_cast<std::size_t>(n);
  if constexpr (sizeof(T) == 8) {
    w.d = numbers<double>(count, 1);
  } else {
    w.f = numbers<float>(count, 1);
  }
  const std::vector<T> a = numbers<T>(static_cast<std::size_t>(m) * static_cast<std::size_t>(k), 2);
  std::vector<T> c(static_cast<std::size_t>(m) * static_cast<std::size_t>(n));
  std::vector<T> scratch;
  const double flops = 2.0 * m * k * n;
  const device::WeightView view{w, 0, k, n, false};
  const device::WeightView turned{w, 0, n, k, true};
  const auto lda = static_cast<std::size_t>(k);
  const auto ldc = static_cast<std::size_t>(n);
  const device::PackedMatrix<T> packed(view);
  const double own =
      best(flops, [&] { device::gemm(m, a.data(), lda, packed, c.data(), ldc, false); });
  const double fly =
      best(flops, [&] { device::gemm(m, a.data(), lda, view, c.data(), ldc, false, scratch); });
  const double fly_turned =
      best(flops, [&] { device::gemm(m, a.data(), lda, turned, c.data(), ldc, false, scratch); });
  std::printf("%s %5d %5d %5d | %6.1f %3.0f%% | %6.1f %6.1f", sizeof(T) == 4 ? "f32" : "f64", m, k,
              n, own, 100 * own / peak, fly, fly_turned);
#ifdef CORONET_CROSS_BLAS
  const double blas = best(flops, [&] {
    if constexpr (sizeof(T) == 4) {
      cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, m, n, k, 1, a.data(), k, w.f.data(), n,
                  0, c.data(), n);
    } else {
      cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, m, n, k, 1, a.data(), k, w.d.data(), n,
                  0, c.data(), n);
    }
  });
  std::printf(" | %6.1f", blas);
#endif
#ifdef CORONET_CROSS_DNNL
  if constexpr (sizeof(T) == 4) {
    using namespace dnnl;
    using Tag = memory::format_tag;
    static engine cpu(engine::kind::cpu, 0);
    static stream queue(cpu);
    const auto f32 = memory::data_type::f32;
    const memory::desc da({m, k}, f32, Tag::ab);
    const memory::desc db({k, n}, f32, Tag::any);
    const memory::desc dc({m, n}, f32, Tag::ab);
    const matmul::primitive_desc description(matmul::desc(da, db, dc), cpu);
    memory plain({{k, n}, f32, Tag::ab}, cpu, w.f.data());
    memory packed_b(description.weights_desc(), cpu);
    reorder(plain, packed_b).execute(queue, plain, packed_b);
    memory ma(da, cpu, const_cast<T*>(a.data()));
    memory mc(dc, cpu, c.data());
    matmul primitive(description);
    const double other = best(flops, [&] {
      primitive.execute(queue,
                        {{DNNL_ARG_SRC, ma}, {DNNL_ARG_WEIGHTS, packed_b}, {DNNL_ARG_DST, mc}});
      queue.wait();
    });
    std::printf(" | %6.1f", other);
  }
#endif
  std::printf("\n");
}

struct ConvCase {
  const char* name;
  int rows, extent, in, out, kernel, stride, pad;
};

#ifdef CORONET_CROSS_DNNL
double dnnl_conv(const Conv& conv, int rows, bool backward, double flops) {
  using namespace dnnl;
  using Tag = memory::format_tag;
  const engine cpu(engine::kind::cpu, 0);
  stream queue(cpu);
  const auto f32 = memory::data_type::f32;
  const memory::dims in_dims{rows, conv.in.channels, conv.in.height, conv.in.width};
  const memory::dims out_dims{rows, conv.out.channels, conv.out.height, conv.out.width};
  const memory::dims weight_dims{conv.out.channels, conv.in.channels, conv.kernel_h, conv.kernel_w};
  const memory::desc in(in_dims, f32, Tag::nhwc);
  const memory::desc out(out_dims, f32, Tag::nhwc);
  const memory::desc any(weight_dims, f32, Tag::any);
  const memory::dims strides{conv.stride_h, conv.stride_w};
  const memory::dims pad{conv.pad_top, conv.pad_left};
  // What is padded below and right follows from the shapes.
  const memory::dims pad_end{
      (conv.out.height - 1) * conv.stride_h + conv.kernel_h - conv.in.height - conv.pad_top,
      (conv.out.width - 1) * conv.stride_w + conv.kernel_w - conv.in.width - conv.pad_left};
  const convolution_forward::primitive_desc forward(
      convolution_forward::desc(prop_kind::forward_inference, algorithm::convolution_direct, in,
                                any, out, strides, pad, pad_end),
      cpu);
  memory min(in, cpu);
  memory mout(out, cpu);
  std::fill_n(static_cast<float*>(min.get_data_handle()), in.get_size() / 4, 0.5F);
  std::fill_n(static_cast<float*>(mout.get_data_handle()), out.get_size() / 4, 0.5F);
  if (!backward) {
    memory w(forward.weights_desc(), cpu);
    std::fill_n(static_cast<float*>(w.get_data_handle()), w.get_desc().get_size() / 4, 0.01F);
    convolution_forward run(forward);
    return best(flops, [&] {
      run.execute(queue, {{DNNL_ARG_SRC, min}, {DNNL_ARG_WEIGHTS, w}, {DNNL_ARG_DST, mout}});
      queue.wait();
    });
  }
  const convolution_backward_data::primitive_desc back(
      convolution_backward_data::desc(algorithm::convolution_direct, in, any, out, strides, pad,
                                      pad_end),
      cpu, forward);
  memory w(back.weights_desc(), cpu);
  std::fill_n(static_cast<float*>(w.get_data_handle()), w.get_desc().get_size() / 4, 0.01F);
  convolution_backward_data run(back);
  return best(flops, [&] {
    run.execute(queue,
                {{DNNL_ARG_DIFF_DST, mout}, {DNNL_ARG_WEIGHTS, w}, {DNNL_ARG_DIFF_SRC, min}});
    queue.wait();
  });
}
#endif

template <class T>
void bench_conv(const ConvCase& c, double peak) {
  Conv conv;
  const int extent = (c.extent + 2 * c.pad - c.kernel) / c.stride + 1;
  conv.in = {c.extent, c.extent, c.in};
  conv.out = {extent, extent, c.out};
  conv.kernel_h = conv.kernel_w = c.kernel;
  conv.stride_h = conv.stride_w = c.stride;
  conv.pad_top = conv.pad_left = c.pad;
  conv.weight.f = numbers<float>(static_cast<std::size_t>(c.out * c.kernel * c.kernel * c.in), 1);
  conv.bias.resize(static_cast<std::size_t>(c.out));
  const device::PackedConv<T> packed(conv);
  const auto rows = static_cast<std::size_t>(c.rows);
  std::vector<T> in = numbers<T>(rows * static_cast<std::size_t>(conv.in.size()), 2);
  std::vector<T> out = numbers<T>(rows * static_cast<std::size_t>(conv.out.size()), 3);
  const std::vector<int> start(rows);
  const device::Window whole_in{{0, 0, conv.in.height}, {0, 0, conv.in.width}};
  const device::Window whole_out{{0, 0, conv.out.height}, {0, 0, conv.out.width}};
  // Useful ones: taps inside the image.
  double taps = 0;
  for (int o = 0; o < extent; ++o) {
    for (int k = 0; k < c.kernel; ++k) {
      const int i = o * c.stride + k - c.pad;
      taps += i >= 0 && i < c.extent ? 1 : 0;
    }
  }
  const double flops = 2.0 * c.rows * taps * taps * c.in * c.out;
  const double pull = best(flops, [&] {
    packed.pull(c.rows, start.data(), start.data(), out.data(), whole_out, in.data(), whole_in,
                false);
  });
  const double push = best(flops, [&] { packed.push(c.rows, in.data(), out.data(), false); });
  std::printf("%s %-24s | %6.1f %3.0f%% | %6.1f %3.0f%%", sizeof(T) == 4 ? "f32" : "f64", c.name,
              pull, 100 * pull / peak, push, 100 * push / peak);
#ifdef CORONET_CROSS_DNNL
  if constexpr (sizeof(T) == 4) {
    std::printf(" | %6.1f %6.1f", dnnl_conv(conv, c.rows, true, flops),
                dnnl_conv(conv, c.rows, false, flops));
  }
#endif
  std::printf("\n");
}

// Patches as the engine has them: out window size x size, in window of all that it reaches.
template <class T>
void bench_patch(int rows, int size, int channels, double peak) {
  Conv conv;
  conv.in = conv.out = {16, 16, channels};
  conv.kernel_h = conv.kernel_w = 3;
  conv.pad_top = conv.pad_left = 1;
  conv.weight.f = numbers<float>(static_cast<std::size_t>(channels * 9 * channels), 1);
  const device::PackedConv<T> packed(conv);
  const device::Window out{{1, 0, size}, {1, 0, size}};
  const device::Window in{{1, -1, size + 2}, {1, -1, size + 2}};
  std::vector<int> y(static_cast<std::size_t>(rows));
  std::vector<int> x(y);
  for (int row = 0; row < rows; ++row) {
    y[static_cast<std::size_t>(row)] = row / 8 % 14;
    x[static_cast<std::size_t>(row)] = row % 14;
  }
  const std::vector<T> a = numbers<T>(static_cast<std::size_t>(rows * size * size * channels), 2);
  std::vector<T> u(static_cast<std::size_t>(rows * (size + 2) * (size + 2) * channels));
  const double flops = 2.0 * rows * size * size * 9 * channels * channels;
  const double pull = best(
      flops, [&] { packed.pull(rows, y.data(), x.data(), a.data(), out, u.data(), in, false); });
  std::printf("%s patch %dx%d of %d -> %dx%d, %d rows | %6.1f %3.0f%%\n",
              sizeof(T) == 4 ? "f32" : "f64", size, size, channels, size + 2, size + 2, rows, pull,
              100 * pull / peak);
}

}  // namespace

int main(int argc, char** argv) {
#ifdef _OPENMP
  omp_set_num_threads(1);
#endif
  const std::string what = argc > 1 ? argv[1] : "all";
  if (argc > 2) budget = std::atof(argv[2]);
  if (const char* isa = std::getenv("CORONET_BENCH_ISA")) coronet::kernels::set_isa(isa);
  if (std::getenv("OPENBLAS_CORETYPE") != nullptr) {
    std::printf("warning: OPENBLAS_CORETYPE is set; OpenBLAS may run below this CPU's best\n");
  }
#ifdef CORONET_CROSS_BLAS
  std::printf("OpenBLAS core: %s\n", openblas_get_corename());
#endif
  const double peak = peak_float();
  std::printf("%s, FMA peak f32 %.0f f64 %.0f GF, one thread\n",
              std::string(coronet::kernels::isa_name(coronet::kernels::current_isa())).c_str(),
              peak, peak / 2);
  if (what != "conv") {
    std::printf("type    m     k     n | own    peak | unpacked  (B^T) | OpenBLAS | oneDNN\n");
    static const int sizes[][3] = {{256, 256, 256},   {512, 784, 256},   {512, 256, 784},
                                   {256, 1024, 1024}, {256, 4096, 4096}, {512, 50, 50},
                                   {256, 256, 10},    {256, 10, 256},    {64, 256, 256},
                                   {10, 256, 256},    {4, 1024, 1024},   {1, 1024, 1024}};
    for (const auto& s : sizes) bench_gemm<float>(s[0], s[1], s[2], peak);
    for (const auto& s : sizes) bench_gemm<double>(s[0], s[1], s[2], peak / 2);
  }
  if (what != "gemm") {
    std::printf(
        "type convolution (rows)      | pull   peak | push   peak | oneDNN back, forward\n");
    static const ConvCase cases[] = {{"64-64 k3s1 16x16 (64)", 64, 16, 64, 64, 3, 1, 1},
                                     {"32-64 k4s2 16x16 (256)", 256, 16, 32, 64, 4, 2, 1},
                                     {"32-32 k4s2 32x32 (64)", 64, 32, 32, 32, 4, 2, 1},
                                     {"3-32 k3s1 32x32 (64)", 64, 32, 3, 32, 3, 1, 1},
                                     {"3-32 k4s2 32x32 (64)", 64, 32, 3, 32, 4, 2, 1},
                                     {"16-16 k3s1 32x32 (64)", 64, 32, 16, 16, 3, 1, 1},
                                     {"128-128 k3s1 8x8 (128)", 128, 8, 128, 128, 3, 1, 1},
                                     {"32-64 k1s2 16x16 (128)", 128, 16, 32, 64, 1, 2, 0},
                                     {"512-512 k3s1 2x2 (64)", 64, 2, 512, 512, 3, 1, 1}};
    for (const ConvCase& c : cases) bench_conv<float>(c, peak);
    for (const ConvCase& c : cases) bench_conv<double>(c, peak / 2);
    for (const int size : {1, 2, 3, 7}) bench_patch<float>(256, size, 32, peak);
    for (const int size : {1, 3}) bench_patch<double>(256, size, 32, peak / 2);
  }
  return 0;
}
