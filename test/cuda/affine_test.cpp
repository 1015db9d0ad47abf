// Scale, Sum, Select and Sparse against the CPU's: the same bits, but for the sums of biases.
#include "cuda/affine.h"

#include <cmath>

#include "bound/affine_simple.h"
#include "bound/affine_sparse.h"
#include "cuda_fixture.h"

namespace coronet::cuda {
namespace {

using device::Extent;

template <class T>
class CudaAffine : public CudaTest {
 protected:
  void expect_near(const std::vector<double>& got, const std::vector<double>& want, std::size_t n) {
    ASSERT_EQ(got.size(), want.size());
    for (std::size_t r = 0; r < got.size(); ++r) {
      ASSERT_NEAR(got[r], want[r], (sizeof(T) == 4 ? 1e-6 : 1e-14) * (4 + static_cast<double>(n)))
          << r;
    }
  }
};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(CudaAffine, Types);

TYPED_TEST(CudaAffine, ScaleAndSum) {
  using T = TypeParam;
  std::mt19937 random(21);
  for (int trial = 0; trial < 60; ++trial) {
    const Shape shape = trial % 2 == 0 ? Shape{6, 7, 4} : Shape{5, 6, 3};
    const int count = 13;
    TestRows rows(this->device(), count, shape.height, shape.width, 1, random);
    const Extent out = some_extent(shape, trial % 3 == 0, random);
    const Extent in = trial % 4 < 2 ? out : wider(out, random);
    const bool accumulate = trial % 5 < 2;
    const int periods[] = {1, shape.channels, shape.size()};
    Scale scale;
    scale.scale = numbers<double>(static_cast<std::size_t>(periods[trial % 3]), random);
    scale.shift = numbers<double>(scale.scale.size(), random);
    Sum sum;
    sum.coefficient = {1, -2.5};
    const bound::AffineScale<T> cpu_scale(scale, shape.size());
    const bound::AffineSum<T> cpu_sum(sum, shape.size());
    const DeviceScale<T> gpu_scale(this->device(), scale);
    const DeviceSum<T> gpu_sum(sum);
    const std::vector<T> a = numbers<T>(static_cast<std::size_t>(count) * out.size(), random);
    const std::vector<T> x = numbers<T>(static_cast<std::size_t>(count) * in.size(), random);
    const std::vector<T> x2 = numbers<T>(static_cast<std::size_t>(count) * in.size(), random);
    const On<T> on_a(this->device(), a), on_x(this->device(), x), on_x2(this->device(), x2);
    SCOPED_TRACE(testing::Message() << "trial " << trial);

    // CPU rows may hold anything in gaps of what is not accumulated: there the device writes zero.
    const auto compare = [&](const std::vector<T>& got, std::vector<T> want) {
      ASSERT_EQ(got, want);
    };
    for (const bool by_scale : {true, false}) {
      std::vector<T> u = x;
      const On<T> on_u(this->device(), x);
      if (by_scale) {
        cpu_scale.pull(rows.set, a.data(), out, 0, u.data(), in, accumulate);
        gpu_scale.pull(this->device(), rows.rows, on_a.data(), geometry(out), on_u.data(),
                       geometry(in), accumulate);
      } else {
        cpu_sum.pull(rows.set, a.data(), out, 1, u.data(), in, accumulate);
        gpu_sum.pull(this->device(), rows.rows, on_a.data(), geometry(out), 1, on_u.data(),
                     geometry(in), accumulate);
      }
      compare(on_u.back(), u);

      std::vector<T> y(a.size(), T(9));
      const On<T> on_y(this->device(), y);
      const T* const from[] = {x.data(), x2.data()};
      const T* const on_from[] = {on_x.data(), on_x2.data()};
      const Extent* const extents[] = {&in, &in};
      const Geometry g = geometry(in);
      const Geometry* const geometries[] = {&g, &g};
      if (by_scale) {
        cpu_scale.push(rows.set, from, extents, y.data(), out);
        gpu_scale.push(this->device(), rows.rows, on_x.data(), g, on_y.data(), geometry(out));
      } else {
        cpu_sum.push(rows.set, from, extents, y.data(), out);
        gpu_sum.push(this->device(), rows.rows, on_from, geometries, on_y.data(), geometry(out));
      }
      compare(on_y.back(), y);
    }
    std::vector<double> bias = numbers<double>(count, random);
    const On<double> on_bias(this->device(), bias);
    cpu_scale.bias(rows.set, a.data(), out, bias.data());
    gpu_scale.bias(this->device(), rows.rows, on_a.data(), geometry(out), on_bias.data());
    this->expect_near(on_bias.back(), bias, out.size());
  }
}

TYPED_TEST(CudaAffine, Select) {
  using T = TypeParam;
  std::mt19937 random(22);
  for (int trial = 0; trial < 20; ++trial) {
    const std::vector<int> sizes{pick(random, 1, 300), pick(random, 1, 50), pick(random, 1, 700)};
    std::vector<Shape> shapes;
    int total = 0;
    for (const int s : sizes) {
      shapes.push_back({1, 1, s});
      total += s;
    }
    Select op;
    const int size = pick(random, 1, 900);
    for (int i = 0; i < size; ++i) op.index.push_back(pick(random, -1, total - 1));
    if (trial % 2 == 0) op.constant = numbers<double>(op.index.size(), random);
    const bound::AffineSelect<T> cpu(op, shapes);
    const DeviceSelect<T> gpu(this->device(), op, sizes);
    const int count = 9;
    const device::RowSet set{count, nullptr, nullptr};
    const Extent out = Extent::all({1, 1, size});
    const std::vector<T> a = numbers<T>(static_cast<std::size_t>(count) * size, random);
    const On<T> on_a(this->device(), a);
    std::vector<std::vector<T>> x;
    std::vector<On<T>> on_x;
    std::vector<const T*> from, on_from;
    std::vector<Extent> in;
    std::vector<const Extent*> extents;
    for (const Shape& s : shapes) in.push_back(Extent::all(s));
    for (std::size_t k = 0; k < sizes.size(); ++k) {
      x.push_back(numbers<T>(static_cast<std::size_t>(count) * sizes[k], random));
      on_x.emplace_back(this->device(), x.back());
      extents.push_back(&in[k]);
    }
    for (std::size_t k = 0; k < sizes.size(); ++k) {
      from.push_back(x[k].data());
      on_from.push_back(on_x[k].data());
      for (const bool accumulate : {false, true}) {
        std::vector<T> u = x[k];
        const On<T> on_u(this->device(), u);
        cpu.pull(set, a.data(), out, static_cast<int>(k), u.data(), in[k], accumulate);
        gpu.pull(this->device(), count, on_a.data(), static_cast<int>(k), on_u.data(), accumulate);
        ASSERT_EQ(on_u.back(), u);
      }
    }
    std::vector<T> y(a.size());
    const On<T> on_y(this->device(), y);
    cpu.push(set, from.data(), extents.data(), y.data(), out);
    gpu.push(this->device(), count, on_from.data(), on_y.data());
    ASSERT_EQ(on_y.back(), y);
    std::vector<double> bias = numbers<double>(count, random);
    const On<double> on_bias(this->device(), bias);
    cpu.bias(set, a.data(), out, bias.data());
    gpu.bias(this->device(), count, on_a.data(), on_bias.data());
    this->expect_near(on_bias.back(), bias, size);
  }
}

TYPED_TEST(CudaAffine, Sparse) {
  using T = TypeParam;
  std::mt19937 random(23);
  for (int trial = 0; trial < 20; ++trial) {
    const int inputs = pick(random, 1, 500);
    const int size = pick(random, 1, 600);
    Sparse op;
    op.row.push_back(0);
    for (int i = 0; i < size; ++i) {
      for (int j = 0; j < inputs; ++j) {
        if (pick(random, 0, 15) == 0) op.column.push_back(j);
      }
      op.row.push_back(static_cast<std::int64_t>(op.column.size()));
    }
    op.value = numbers<double>(op.column.size(), random);
    op.bias = numbers<double>(size, random);
    const Shape shape{1, 1, inputs};
    bound::PackBudget none;
    const bound::AffineSparse<T> cpu(op, shape, none);
    const DeviceSparse<T> gpu(this->device(), op, inputs);
    const int count = 8;
    const device::RowSet set{count, nullptr, nullptr};
    const Extent out = Extent::all({1, 1, size});
    const Extent in = Extent::all(shape);
    const std::vector<T> a = numbers<T>(static_cast<std::size_t>(count) * size, random);
    const std::vector<T> x = numbers<T>(static_cast<std::size_t>(count) * inputs, random);
    const On<T> on_a(this->device(), a), on_x(this->device(), x);
    for (const bool accumulate : {false, true}) {
      std::vector<T> u = x;
      const On<T> on_u(this->device(), u);
      cpu.pull(set, a.data(), out, 0, u.data(), in, accumulate);
      gpu.pull(this->device(), count, on_a.data(), on_u.data(), accumulate);
      ASSERT_EQ(on_u.back(), u);
    }
    std::vector<T> y(a.size());
    const On<T> on_y(this->device(), y);
    const T* const from = x.data();
    const Extent* const extent = &in;
    cpu.push(set, &from, &extent, y.data(), out);
    gpu.push(this->device(), count, on_x.data(), on_y.data());
    ASSERT_EQ(on_y.back(), y);
    std::vector<double> bias = numbers<double>(count, random);
    const On<double> on_bias(this->device(), bias);
    cpu.bias(set, a.data(), out, bias.data());
    gpu.bias(this->device(), count, on_a.data(), on_bias.data());
    this->expect_near(on_bias.back(), bias, size);
  }
}

TYPED_TEST(CudaAffine, AddToRows) {
  using T = TypeParam;
  std::mt19937 random(24);
  for (const int n : {1, 10, 1000, 70000}) {
    const std::vector<T> b = numbers<T>(n, random);
    std::vector<T> y = numbers<T>(static_cast<std::size_t>(5) * n, random);
    const On<T> on_b(this->device(), b), on_y(this->device(), y);
    for (std::size_t i = 0; i < y.size(); ++i) y[i] += b[i % n];
    add_to_rows(this->device(), 5, n, on_b.data(), on_y.data());
    ASSERT_EQ(on_y.back(), y);
  }
}

}  // namespace
}  // namespace coronet::cuda
