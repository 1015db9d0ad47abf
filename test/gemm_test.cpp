// The GEMM's one promise: every entry is one fma chain over k, in every call shape and on every
// instruction set.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "device/gemm.h"
#include "device_numbers.h"
#include "kernels/isa.h"
#ifdef CORONET_CROSS_BLAS
#include <cblas.h>
#endif

namespace coronet::device {
namespace {

using test::numbers;
using test::weight;

template <class T>
using GemmTest = test::DeviceTest<T>;
TYPED_TEST_SUITE(GemmTest, test::FloatAndDouble);

struct Size {
  int m, k, n;
};

std::vector<Size> sizes() {
  std::vector<Size> all = {{1, 1, 1},     {13, 7, 10},   {5, 50, 50},    {27, 784, 10},
                           {6, 10, 256},  {1, 700, 131}, {37, 321, 33},  {205, 64, 17},
                           {3, 400, 784}, {2, 0, 9},     {14, 1024, 64}, {9, 65, 530}};
  for (int m = 1; m <= 26; ++m) all.push_back({m, 19, 49});
  return all;
}

template <class T>
std::vector<T> chain(int m, const std::vector<T>& a, std::size_t lda, const WeightView& b,
                     std::vector<T> c, std::size_t ldc, bool accumulate) {
  const auto cols = static_cast<std::size_t>(b.cols);
  for (std::size_t i = 0; i < static_cast<std::size_t>(m); ++i) {
    for (std::size_t j = 0; j < static_cast<std::size_t>(b.n()); ++j) {
      T sum = accumulate ? c[i * ldc + j] : T{};
      for (std::size_t k = 0; k < static_cast<std::size_t>(b.k()); ++k) {
        const std::size_t at = b.transposed ? j * cols + k : k * cols + j;
        const double w = b.f != nullptr ? static_cast<double>(b.f[at]) : b.d[at];
        sum = std::fma(a[i * lda + k], static_cast<T>(w), sum);
      }
      c[i * ldc + j] = sum;
    }
  }
  return c;
}

TYPED_TEST(GemmTest, EveryEntryIsOneChain) {
  using T = TypeParam;
  std::mt19937 random(1);
  for (const Size& size : sizes()) {
    for (int variant = 0; variant < 8; ++variant) {
      const bool transposed = (variant & 1) != 0;
      const bool accumulate = (variant & 2) != 0;
      const std::size_t offset = 3;
      const Weight w =
          weight(static_cast<std::size_t>(size.k) * static_cast<std::size_t>(size.n) + offset,
                 (variant & 4) != 0, random);
      const WeightView view{w, offset, transposed ? size.n : size.k, transposed ? size.k : size.n,
                            transposed};
      const std::size_t lda = static_cast<std::size_t>(size.k) + (variant == 3 ? 5 : 0);
      const std::size_t ldc = static_cast<std::size_t>(size.n) + (variant >= 6 ? 3 : 0);
      const std::vector<T> a = numbers<T>(static_cast<std::size_t>(size.m) * lda, random);
      const std::vector<T> start = numbers<T>(static_cast<std::size_t>(size.m) * ldc, random);
      const std::vector<T> expected = chain<T>(size.m, a, lda, view, start, ldc, accumulate);
      for (const char* isa : {"baseline", "avx2", "avx512"}) {
        if (!kernels::set_isa(isa)) continue;
        SCOPED_TRACE(testing::Message() << isa << " m=" << size.m << " k=" << size.k
                                        << " n=" << size.n << " variant=" << variant);
        const PackedMatrix<T> packed(view);
        EXPECT_EQ(packed.bytes(), PackedMatrix<T>::bytes_for(view));
        std::vector<T> c = start;
        gemm(size.m, a.data(), lda, packed, c.data(), ldc, accumulate);
        ASSERT_EQ(c, expected);
        std::vector<T> scratch;
        c = start;
        gemm(size.m, a.data(), lda, view, c.data(), ldc, accumulate, scratch);
        ASSERT_EQ(c, expected);
      }
    }
  }
}

TYPED_TEST(GemmTest, RowsDoNotDependOnTheSplit) {
  using T = TypeParam;
  std::mt19937 random(2);
  constexpr int kM = 211;
  for (const int k : {50, 777, 1024}) {
    const int n = 141;
    const Weight w = weight(static_cast<std::size_t>(k) * n, false, random);
    const PackedMatrix<T> packed(WeightView{w, 0, k, n, false});
    const auto lda = static_cast<std::size_t>(k);
    const std::vector<T> a = numbers<T>(kM * lda, random);
    std::vector<T> whole(static_cast<std::size_t>(kM) * n);
    gemm(kM, a.data(), lda, packed, whole.data(), n, false);
    for (const int step : {1, 2, 3, 5, 7, 11, 12, 13, 33, 64, 106}) {
      std::vector<T> parts(whole.size());
      for (int m0 = 0; m0 < kM; m0 += step) {
        const auto first = static_cast<std::size_t>(m0);
        gemm(std::min(step, kM - m0), a.data() + first * lda, lda, packed, parts.data() + first * n,
             n, false);
      }
      ASSERT_EQ(parts, whole) << "k=" << k << " step=" << step;
    }
  }
}

#ifdef CORONET_CROSS_BLAS
TYPED_TEST(GemmTest, AgreesWithOpenBlas) {
  using T = TypeParam;
  std::mt19937 random(3);
  for (const Size& size : {Size{64, 256, 256}, Size{100, 784, 50}, Size{33, 1500, 700}}) {
    const Weight w = weight(static_cast<std::size_t>(size.k) * static_cast<std::size_t>(size.n),
                            std::is_same_v<T, double>, random);
    const auto k = static_cast<std::size_t>(size.k);
    const auto n = static_cast<std::size_t>(size.n);
    const auto m = static_cast<std::size_t>(size.m);
    const std::vector<T> a = numbers<T>(m * k, random);
    std::vector<T> own(m * n);
    std::vector<T> blas(m * n);
    gemm(size.m, a.data(), k, PackedMatrix<T>(WeightView{w, 0, size.k, size.n, false}), own.data(),
         n, false);
    if constexpr (std::is_same_v<T, float>) {
      cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, size.m, size.n, size.k, 1, a.data(),
                  size.k, w.f.data(), size.n, 0, blas.data(), size.n);
    } else {
      cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, size.m, size.n, size.k, 1, a.data(),
                  size.k, w.d.data(), size.n, 0, blas.data(), size.n);
    }
    const double bound =
        static_cast<double>(size.k) * std::numeric_limits<T>::epsilon() * std::sqrt(size.k);
    for (std::size_t i = 0; i < own.size(); ++i) ASSERT_NEAR(own[i], blas[i], bound);
  }
}
#endif

}  // namespace
}  // namespace coronet::device
