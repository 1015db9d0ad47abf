// Rows at elementwise nodes against the CPU's kernels: what is written per element has the same
// bits, sums agree to rounding and are the same in every run and batch.
#include "cuda/rows.h"

#include <algorithm>
#include <cmath>

#include "cuda_fixture.h"
#include "device/vector.h"

namespace coronet::cuda {
namespace {

using device::Extent;
using device::for_each_run;
using device::offset_in;

template <class T>
class CudaRows : public CudaTest {};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(CudaRows, Types);

struct Case {
  Shape shape;
  bool whole;
  int count;
};
std::vector<Case> cases() {
  return {{{1, 1, 1}, true, 3},    {{1, 1, 250}, true, 5},  {{1, 1, 256}, true, 9},
          {{7, 5, 3}, true, 4},    {{8, 8, 16}, true, 6},   {{1, 1, 40000}, true, 2},
          {{7, 5, 3}, false, 30},  {{9, 8, 16}, false, 20}, {{40, 40, 64}, true, 2},
          {{1, 30, 4}, false, 17}, {{5, 5, 1}, false, 40},  {{16, 16, 300}, false, 3}};
}

template <class T>
struct Data {
  Data(Device& device, const Case& c, std::mt19937& random)
      : rows(device, c.count, c.shape.height, c.shape.width, kDomains, random),
        out(some_extent(c.shape, c.whole, random)),
        in(pick(random, 0, 1) == 0 ? out : wider(out, random)),
        n(c.shape.size()) {
    const std::size_t lines = static_cast<std::size_t>(kDomains) * n;
    sl = numbers<T>(lines, random, 0, 1);
    tl = numbers<T>(lines, random);
    su = numbers<T>(lines, random, 0, 1);
    tu = numbers<T>(lines, random, 0, 1);
    for (std::size_t i = 0; i < lines; ++i) free.push_back(T(pick(random, 0, 1)));
    const auto count = static_cast<std::size_t>(c.count);
    a = numbers<T>(count * out.size(), random);
    for (T& x : a) {
      if (pick(random, 0, 9) == 0) x = 0;
    }
    alpha = numbers<T>(count * out.size(), random, 0, 1);
    m = numbers<T>(count * out.size(), random);
    v = numbers<T>(count * out.size(), random, 0, 1);
    z = numbers<T>(count * in.size(), random);
    bias = numbers<double>(count, random);
  }
  static constexpr int kDomains = 3;
  TestRows rows;
  Extent out, in;
  std::size_t n;
  std::vector<T> sl, tl, su, tu, free, a, alpha, m, v, z;
  std::vector<double> bias;
  std::size_t base(int r) const { return rows.domain[r] * n; }
};

template <class T>
struct DeviceLines {
  DeviceLines(Device& device, const Data<T>& d, bool relu)
      : sl(device, d.sl),
        tl(device, d.tl),
        su(device, d.su),
        tu(device, d.tu),
        free(device, d.free) {
    lines = {relu, T(0.125), sl.data(), tl.data(), su.data(), tu.data(), free.data()};
  }
  On<T> sl, tl, su, tu, free;
  Lines<T> lines;
};

/// Of sums of n numbers below 1 in T, in two orders.
template <class T>
double tolerance(std::size_t n) {
  return (sizeof(T) == 4 ? 1e-7 : 1e-16) * (static_cast<double>(n) + 100);
}

TYPED_TEST(CudaRows, Pull) {
  using T = TypeParam;
  std::mt19937 random(3);
  const auto& k = device::elementwise<T>();
  for (const Case& c : cases()) {
    for (int variant = 0; variant < 6; ++variant) {
      const bool relu = variant < 4;
      const bool own = variant < 2;
      const bool add = variant % 2 == 1;
      SCOPED_TRACE(testing::Message()
                   << c.shape.size() << " whole " << c.whole << " variant " << variant);
      const Data<T> d(this->device(), c, random);
      std::vector<T> u = d.z;
      std::vector<double> bias = d.bias;
      if (!add) std::fill(u.begin(), u.end(), T(0));
      for (int r = 0; r < c.count; ++r) {
        for_each_run(
            d.out, d.rows.set, r,
            [&](int offset, int node, int n) {
              const std::size_t at = d.base(r) + node;
              const T* const a = d.a.data() + r * d.out.size() + offset;
              T* const to = u.data() + r * d.in.size() + offset_in(d.in, d.rows.set, r, node);
              const T* const lower = own ? d.alpha.data() + r * d.out.size() + offset : &d.sl[at];
              bias[r] +=
                  relu ? k.relu_pull(n, a, lower, &d.su[at], &d.tu[at], to, add)
                       : k.line_pull(n, a, &d.sl[at], &d.tl[at], &d.su[at], &d.tu[at], to, add);
            },
            [](int, int) {});
      }
      const DeviceLines<T> lines(this->device(), d, relu);
      const On<T> a(this->device(), d.a), alpha(this->device(), d.alpha);
      std::vector<T> first_u;
      std::vector<double> first_bias;
      for (int run = 0; run < 2; ++run) {
        const On<T> on_u(this->device(), d.z);
        const On<double> on_bias(this->device(), d.bias);
        pull_lines(this->device(), d.rows.rows, lines.lines, own ? alpha.data() : nullptr, a.data(),
                   geometry(d.out), on_u.data(), geometry(d.in), add, on_bias.data());
        const std::vector<T> got_u = on_u.back();
        const std::vector<double> got_bias = on_bias.back();
        ASSERT_EQ(got_u, u);
        for (int r = 0; r < c.count; ++r) {
          ASSERT_NEAR(got_bias[r], bias[r], tolerance<T>(d.out.size())) << r;
        }
        if (run == 0) {
          first_bias = got_bias;
        } else {
          ASSERT_EQ(got_bias, first_bias);
        }
      }
    }
  }
}

template <class T>
std::vector<kernels::Moment> stored(const std::vector<T>& numbers) {
  std::vector<kernels::Moment> out;
  for (const T x : numbers) out.push_back(kernels::narrowed(static_cast<float>(x)));
  return out;
}
template <class T>
std::vector<T> restored(const std::vector<kernels::Moment>& moments) {
  std::vector<T> out;
  for (const kernels::Moment m : moments) out.push_back(kernels::widened(m));
  return out;
}

TYPED_TEST(CudaRows, Push) {
  using T = TypeParam;
  std::mt19937 random(4);
  const auto& k = device::elementwise<T>();
  kernels::AdamStep<T> step;
  step.rate = T(0.3);
  step.inv_scale2 = T(2.5);
  for (const Case& c : cases()) {
    for (int variant = 0; variant < 4; ++variant) {  // lines, own slopes, step, lines' slopes
      SCOPED_TRACE(testing::Message()
                   << c.shape.size() << " whole " << c.whole << " variant " << variant);
      const Data<T> d(this->device(), c, random);
      const DeviceLines<T> lines(this->device(), d, variant > 0);
      std::vector<T> to(static_cast<std::size_t>(c.count) * d.out.size(), T(0));
      std::vector<T> alpha = d.alpha;
      // Moments are stored in 16 bits: the step starts from what is stored.
      const std::vector<kernels::Moment> stored_m = stored(d.m), stored_v = stored(d.v);
      std::vector<T> m = restored<T>(stored_m), v = restored<T>(stored_v);
      for (int r = 0; r < c.count; ++r) {
        for_each_run(
            d.out, d.rows.set, r,
            [&](int offset, int node, int n) {
              const std::size_t at = d.base(r) + node;
              const std::size_t e = static_cast<std::size_t>(r) * d.out.size() + offset;
              const T* const z =
                  d.z.data() + r * d.in.size() + offset_in(d.in, d.rows.set, r, node);
              if (variant == 0) {
                k.line_push(n, &d.a[e], z, &d.sl[at], &d.tl[at], &d.su[at], &d.tu[at], &to[e]);
              } else if (variant == 2) {
                k.relu_push_adam(n, &d.a[e], z, &alpha[e], &m[e], &v[e], &d.su[at], &d.tu[at],
                                 &d.free[at], lines.lines.floor, &step, &to[e]);
              } else {
                k.relu_push(n, &d.a[e], z, variant == 1 ? &alpha[e] : &d.sl[at], &d.su[at],
                            &d.tu[at], &to[e]);
              }
            },
            [](int, int) {});
      }
      const On<T> a(this->device(), d.a), z(this->device(), d.z);
      const On<T> on_alpha(this->device(), d.alpha);
      const On<kernels::Moment> on_m(this->device(), stored_m), on_v(this->device(), stored_v);
      const On<T> on_to(this->device(), std::vector<T>(to.size(), T(9)));
      const bool in_place = d.out == d.in;
      T* const target = in_place ? z.data() : on_to.data();
      Slopes<T> slopes;
      if (variant == 1 || variant == 2) slopes = {on_alpha.data(), on_m.data(), on_v.data()};
      push_lines(this->device(), d.rows.rows, lines.lines, slopes, variant == 2 ? &step : nullptr,
                 a.data(), geometry(d.out), z.data(), geometry(d.in), target);
      ASSERT_EQ(in_place ? z.back() : on_to.back(), to);
      ASSERT_EQ(on_alpha.back(), alpha);
      ASSERT_EQ(restored<T>(on_m.back()), restored<T>(stored(m)));
      ASSERT_EQ(restored<T>(on_v.back()), restored<T>(stored(v)));
    }
  }
}

TYPED_TEST(CudaRows, InputBox) {
  using T = TypeParam;
  std::mt19937 random(5);
  const auto& k = device::elementwise<T>();
  for (const Case& c : cases()) {
    SCOPED_TRACE(testing::Message() << c.shape.size() << " whole " << c.whole);
    const Data<T> d(this->device(), c, random);
    std::vector<T> lo = d.tl, hi = d.tl;
    for (std::size_t i = 0; i < hi.size(); ++i) hi[i] += d.tu[i];
    std::vector<T> x(d.a.size(), T(0));
    std::vector<double> bound = d.bias;
    for (int r = 0; r < c.count; ++r) {
      for_each_run(
          d.out, d.rows.set, r,
          [&](int offset, int node, int n) {
            const std::size_t e = static_cast<std::size_t>(r) * d.out.size() + offset;
            const std::size_t at = d.base(r) + node;
            k.minimizer(n, &d.a[e], &lo[at], &hi[at], &x[e]);
            bound[r] += k.concretize(n, &d.a[e], &lo[at], &hi[at]);
          },
          [](int, int) {});
    }
    const On<T> a(this->device(), d.a), on_lo(this->device(), lo), on_hi(this->device(), hi);
    const On<T> on_x(this->device(), std::vector<T>(x.size(), T(9)));
    const On<T> on_bound(this->device(), std::vector<T>(c.count));
    const On<double> bias(this->device(), d.bias);
    const std::vector<double> before = numbers<double>(c.count, random);
    const On<double> error(this->device(), before);
    minimizer(this->device(), d.rows.rows, geometry(d.out), a.data(), on_lo.data(), on_hi.data(),
              on_x.data());
    concretize(this->device(), d.rows.rows, geometry(d.out), a.data(), on_lo.data(), on_hi.data(),
               bias.data(), on_bound.data(), error.data(), 0.25);
    ASSERT_EQ(on_x.back(), x);
    const std::vector<T> got = on_bound.back();
    const std::vector<double> charged = error.back();
    for (int r = 0; r < c.count; ++r) {
      ASSERT_NEAR(got[r], bound[r], tolerance<T>(d.out.size()) * 2 + std::fabs(bound[r]) * 1e-6);
      ASSERT_EQ(charged[r], before[r] + 0.25 * std::fabs(d.bias[r]));
    }
  }
}

using CudaRowsDouble = CudaTest;
TEST_F(CudaRowsDouble, Charges) {
  std::mt19937 random(6);
  for (const Case& c : cases()) {
    const Data<double> d(device(), c, random);
    const std::vector<double> w = numbers<double>(d.n, random, 0, 2);
    std::vector<double> error = d.bias;
    for (int r = 0; r < c.count; ++r) {
      double sum = 0;
      for_each_run(
          d.out, d.rows.set, r,
          [&](int offset, int node, int n) {
            for (int i = 0; i < n; ++i) {
              sum += std::fabs(d.a[static_cast<std::size_t>(r) * d.out.size() + offset + i]) *
                     w[node + i];
            }
          },
          [](int, int) {});
      error[r] += 0.5 * sum;
    }
    const On<double> a(device(), d.a), on_w(device(), w), on_error(device(), d.bias);
    charge(device(), d.rows.rows, geometry(d.out), a.data(), on_w.data(), 0.5, on_error.data());
    const std::vector<double> got = on_error.back();
    for (int r = 0; r < c.count; ++r) ASSERT_NEAR(got[r], error[r], 1e-12 * (1 + error[r]));
    charge_bias(device(), c.count, on_error.data(), 2, on_error.data(), false);
    for (int r = 0; r < c.count; ++r) ASSERT_EQ(on_error.back()[r], 2 * std::fabs(got[r]));
  }
}

TYPED_TEST(CudaRows, SplitScores) {
  using T = TypeParam;
  std::mt19937 random(7);
  const auto& k = device::elementwise<T>();
  for (const Case& c : cases()) {
    SCOPED_TRACE(testing::Message() << c.shape.size() << " whole " << c.whole);
    Data<T> d(this->device(), c, random);
    // Few different scores, so that some are equal.
    for (T& x : d.a) x = std::round(x * 4);
    for (T& x : d.tu) x = std::round(x * 4);
    std::vector<T> best = numbers<T>(c.count, random, 0, 8);
    std::vector<int> node(c.count, -1), neuron(c.count, -1);
    const On<T> on_best(this->device(), best);
    const On<int> on_node(this->device(), node), on_neuron(this->device(), neuron);
    for (int r = 0; r < c.count; ++r) {
      for_each_run(
          d.out, d.rows.set, r,
          [&](int offset, int at, int n) {
            T score = 0;
            const int j =
                k.split_score(n, d.a.data() + static_cast<std::size_t>(r) * d.out.size() + offset,
                              &d.tu[d.base(r) + at], &d.free[d.base(r) + at], &score);
            if (j < 0 || !(score > best[r])) return;
            best[r] = score;
            node[r] = 12;
            neuron[r] = at + j;
          },
          [](int, int) {});
    }
    const DeviceLines<T> lines(this->device(), d, true);
    const On<T> a(this->device(), d.a);
    split_score(this->device(), d.rows.rows, geometry(d.out), a.data(), lines.lines, 12,
                on_best.data(), on_node.data(), on_neuron.data());
    ASSERT_EQ(on_best.back(), best);
    ASSERT_EQ(on_node.back(), node);
    ASSERT_EQ(on_neuron.back(), neuron);
  }
}

/// A row alone gives the bits that it gives among others.
TYPED_TEST(CudaRows, BatchDoesNotMatter) {
  using T = TypeParam;
  std::mt19937 random(8);
  const Case c{{1, 1, 30000}, true, 7};
  const Data<T> d(this->device(), c, random);
  const DeviceLines<T> lines(this->device(), d, true);
  const On<T> a(this->device(), d.a), u(this->device(), d.z);
  const On<double> all(this->device(), d.bias), single(this->device(), d.bias);
  const Geometry g = geometry(d.out);
  pull_lines<T>(this->device(), d.rows.rows, lines.lines, nullptr, a.data(), g, u.data(), g, false,
                all.data());
  for (int r = 0; r < c.count; ++r) {
    Rows one = d.rows.rows;
    one.count = 1;
    one.domain += r;
    pull_lines<T>(this->device(), one, lines.lines, nullptr, a.data() + r * d.n, g,
                  u.data() + r * d.n, g, false, single.data() + r);
  }
  EXPECT_EQ(all.back(), single.back());
}

}  // namespace
}  // namespace coronet::cuda
