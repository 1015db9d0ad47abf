// GEMM against sums in long double, to rounding; the same bits in every run.
#include "cuda/gemm.h"
#include "cuda/weights.h"

#include <cmath>

#include "cuda_fixture.h"

namespace coronet::cuda {
namespace {

template <class T>
class CudaGemm : public CudaTest {};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(CudaGemm, Types);

TYPED_TEST(CudaGemm, MatchesSums) {
  using T = TypeParam;
  std::mt19937 random(31);
  struct Size {
    int m, rows, cols;
  };
  // The last two are converted in several tiles where T is double and the weight float32.
  for (const Size& s : {Size{1, 1, 1}, Size{5, 7, 11}, Size{64, 128, 96}, Size{33, 10, 300},
                        Size{100, 333, 65}, Size{2, 90, 200000}, Size{1, 3, 5000000}}) {
    for (int variant = 0; variant < 16; ++variant) {
      const bool transposed = (variant & 1) != 0;
      const bool accumulate = (variant & 2) != 0;
      const bool wide = (variant & 4) != 0;
      const bool tf32 = (variant & 8) != 0;
      if (tf32 && sizeof(T) == 8) continue;
      const std::size_t size = static_cast<std::size_t>(s.rows) * s.cols;
      if (size > 1000000 && (wide || tf32)) continue;
      SCOPED_TRACE(testing::Message()
                   << s.m << ' ' << s.rows << ' ' << s.cols << " variant " << variant);
      Weight w;
      if (wide) {
        w.d = numbers<double>(size, random);
      } else {
        w.f = numbers<float>(size, random);
      }
      DenseWeight weight(this->device(), w, s.rows, s.cols, "a weight");
      const Matrix b = weight.get({}, transposed);
      const std::size_t lda = static_cast<std::size_t>(b.k()) + 3;
      const std::size_t ldc = static_cast<std::size_t>(b.n()) + 2;
      const std::vector<T> a = numbers<T>(s.m * lda, random);
      const std::vector<T> c = numbers<T>(s.m * ldc, random);
      const On<T> on_a(this->device(), a);
      std::vector<T> first;
      for (int run = 0; run < 2; ++run) {
        const On<T> on_c(this->device(), c);
        gemm(this->device(), s.m, on_a.data(), lda, b, on_c.data(), ldc, accumulate,
             tf32 ? Precision::kTf32 : Precision::kExact);
        const std::vector<T> got = on_c.back();
        if (run == 0) {
          first = got;
        } else {
          ASSERT_EQ(got, first);
        }
      }
      const double unit = tf32 ? 0x1p-10 : sizeof(T) == 4 ? 0x1p-23 : 0x1p-52;
      const int columns = std::min(b.n(), 400);  // of a long row, some
      for (int i = 0; i < s.m; ++i) {
        for (int jj = 0; jj < columns; ++jj) {
          const int j = static_cast<int>(static_cast<long long>(jj) * b.n() / columns);
          double sum = accumulate ? c[i * ldc + j] : 0;
          double size_of_sum = std::fabs(sum);
          for (int k = 0; k < b.k(); ++k) {
            const double product =
                a[i * lda + k] * static_cast<double>(static_cast<T>(
                                     w.at(transposed ? static_cast<std::size_t>(j) * s.cols + k
                                                     : static_cast<std::size_t>(k) * s.cols + j)));
            sum += product;
            size_of_sum += std::fabs(product);
          }
          const double steps = tf32 ? 4 : 8 + std::sqrt(static_cast<double>(b.k()));
          ASSERT_NEAR(first[i * ldc + j], sum, unit * steps * size_of_sum + 1e-300)
              << i << ' ' << j;
        }
        for (std::size_t j = b.n(); j < ldc; ++j) ASSERT_EQ(first[i * ldc + j], c[i * ldc + j]);
      }
    }
  }
}

}  // namespace
}  // namespace coronet::cuda
