// Every affine operator against its plain matrix: forward, backward, on whole nodes and on windows.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "bound/affine.h"
#include "bound/plan.h"
#include "graphs.h"

namespace coronet::bound {
namespace {

using test::Builder;
using test::Draw;
using test::Named;
using test::Reference;

template <class T>
class AffineTest : public testing::Test {};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(AffineTest, Types);

/// The rows' numbers spread over the whole node, zero outside their windows.
template <class T>
std::vector<std::vector<double>> spread(const Extent& e, const RowSet& rows, const T* data) {
  std::vector<std::vector<double>> all;
  for (int r = 0; r < rows.count; ++r) {
    std::vector<double> full(static_cast<std::size_t>(e.shape.size()), 0.0);
    const T* row = data + static_cast<std::ptrdiff_t>(r) * e.size();
    for_each_run(
        e, rows, r,
        [&](int offset, int node, int n) {
          std::copy(row + offset, row + offset + n, full.begin() + node);
        },
        [](int, int) {});
    all.push_back(std::move(full));
  }
  return all;
}

/// Random rows whose parts outside the image are zero; or that part of `full`.
template <class T>
std::vector<T> random_rows(const Extent& e, const RowSet& rows, Draw& draw) {
  std::vector<T> data(static_cast<std::size_t>(rows.count) * static_cast<std::size_t>(e.size()),
                      T(0));
  for (int r = 0; r < rows.count; ++r) {
    T* row = data.data() + static_cast<std::ptrdiff_t>(r) * e.size();
    for_each_run(
        e, rows, r,
        [&](int offset, int, int n) {
          for (int i = 0; i < n; ++i) row[offset + i] = static_cast<T>(draw.real(-1, 1));
        },
        [](int, int) {});
  }
  return data;
}

/// One operator within a plan: the rows carry what the plan says.
template <class T>
struct Case {
  const Network<T>& net;
  const Reference& reference;
  const Plan& plan;
  int node;
  RowSet rows;

  [[nodiscard]] const Extent& out() const { return plan.extent[static_cast<std::size_t>(node)]; }
  [[nodiscard]] const Extent& in(int k) const {
    return plan.extent[static_cast<std::size_t>(net.inputs(node)[static_cast<std::size_t>(k)])];
  }

  void run(Draw& draw) const {
    const Affine<T>& op = *net.affine(node);
    const double unit = std::numeric_limits<T>::epsilon() * (op.terms() + 4);
    const std::vector<T> a = random_rows<T>(out(), rows, draw);
    const auto a_full = spread(out(), rows, a.data());
    const int inputs = static_cast<int>(net.inputs(node).size());
    const auto count = static_cast<std::size_t>(rows.count);

    // Forward: the inputs are windows of whole values, as push makes them.
    std::vector<std::vector<T>> x;
    std::vector<std::vector<std::vector<double>>> x_full;
    std::vector<const T*> x_data;
    std::vector<const Extent*> x_extent;
    for (int k = 0; k < inputs; ++k) {
      x.push_back(random_rows<T>(in(k), rows, draw));
      x_full.push_back(spread(in(k), rows, x.back().data()));
      x_extent.push_back(&in(k));
    }
    for (const auto& each : x) x_data.push_back(each.data());
    std::vector<T> y(a.size(), T(77));
    op.push(rows, x_data.data(), x_extent.data(), y.data(), out());
    const auto y_full = spread(out(), rows, y.data());

    std::vector<double> bias(count, 0.5);
    op.bias(rows, a.data(), out(), bias.data());

    for (std::size_t r = 0; r < count; ++r) {
      double left = 0;   // <A, push(X) - bias>
      double right = 0;  // <pull(A), X>
      double bias_dot = 0.5;
      double size = 1;
      std::vector<double> expected(a_full[r].size(), 0.0);
      std::vector<double> scale(a_full[r].size(), 1.0);
      for (std::size_t i = 0; i < expected.size(); ++i) {
        expected[i] = reference.bias(node)[i];
        for (int k = 0; k < inputs; ++k) {
          for (const auto& e : reference.matrix(node, k)[i]) {
            const double p =
                e.value * x_full[static_cast<std::size_t>(k)][r][static_cast<std::size_t>(e.from)];
            expected[i] += p;
            scale[i] += std::fabs(p);
          }
        }
        bias_dot += a_full[r][i] * reference.bias(node)[i];
        left += a_full[r][i] * (y_full[r][i] - reference.bias(node)[i]);
        size += std::fabs(a_full[r][i]) * (scale[i] + std::fabs(reference.bias(node)[i]));
      }
      EXPECT_NEAR(bias[r], bias_dot, unit * size);
      // What the row carries of y is right; the rest of `spread` is zero, so compare where it
      // carries something.
      for_each_run(
          out(), rows, static_cast<int>(r),
          [&](int offset, int node_offset, int n) {
            for (int i = 0; i < n; ++i) {
              const auto at = static_cast<std::size_t>(node_offset + i);
              const T got = y[r * static_cast<std::size_t>(out().size()) +
                              static_cast<std::size_t>(offset + i)];
              ASSERT_NEAR(got, expected[at], unit * scale[at]) << "push, element " << at;
            }
          },
          [&](int offset, int n) {
            for (int i = 0; i < n; ++i) {
              EXPECT_EQ(y[r * static_cast<std::size_t>(out().size()) +
                          static_cast<std::size_t>(offset + i)],
                        T(0))
                  << "push writes zero outside the image";
            }
          });
      for (int k = 0; k < inputs; ++k) {
        const auto kk = static_cast<std::size_t>(k);
        std::vector<double> u_expected(static_cast<std::size_t>(in(k).shape.size()), 0.0);
        std::vector<double> u_scale(u_expected.size(), 1.0);
        for (std::size_t i = 0; i < a_full[r].size(); ++i) {
          for (const auto& e : reference.matrix(node, k)[i]) {
            u_expected[static_cast<std::size_t>(e.from)] += a_full[r][i] * e.value;
            u_scale[static_cast<std::size_t>(e.from)] += std::fabs(a_full[r][i] * e.value);
          }
        }
        for (const bool accumulate : {false, true}) {
          std::vector<T> u = accumulate ? x[kk] : std::vector<T>(x[kk].size(), T(55));
          op.pull(rows, a.data(), out(), k, u.data(), in(k), accumulate);
          const auto u_full = spread(in(k), rows, u.data());
          for (std::size_t j = 0; j < u_expected.size(); ++j) {
            const double want = u_expected[j] + (accumulate ? x_full[kk][r][j] : 0);
            ASSERT_NEAR(u_full[r][j], want, unit * u_scale[j])
                << "pull, accumulate " << accumulate << ", element " << j;
            if (!accumulate) right += u_full[r][j] * x_full[kk][r][j];
          }
          for_each_run(
              in(k), rows, static_cast<int>(r), [](int, int, int) {},
              [&](int offset, int n) {
                for (int i = 0; i < n; ++i) {
                  EXPECT_EQ(u[r * static_cast<std::size_t>(in(k).size()) +
                              static_cast<std::size_t>(offset + i)],
                            T(0));
                }
              });
        }
      }
      EXPECT_NEAR(left, right, unit * size) << "adjoint";
    }
  }
};

template <class T>
void run_plan(const Graph& graph, int start, bool patches, int node, std::size_t pack_bytes,
              std::uint64_t seed) {
  const Network<T> net(graph, pack_bytes);
  const Reference reference(graph);
  const Plan plan = make_plan(net, start, patches);
  Draw draw(seed);
  const Shape& shape = net.shape(start);
  std::vector<int> y;
  std::vector<int> x;
  for (int r = 0; r < 9; ++r) {  // corners first: windows stick out there
    y.push_back(r < 4 ? (r & 1) * (shape.height - 1) : draw.whole(0, shape.height - 1));
    x.push_back(r < 4 ? (r >> 1) * (shape.width - 1) : draw.whole(0, shape.width - 1));
  }
  Case<T>{net, reference, plan, node, {9, y.data(), x.data()}}.run(draw);
  // Single rows go other ways through the kernels.
  Case<T>{net, reference, plan, node, {1, y.data(), x.data()}}.run(draw);
}

TYPED_TEST(AffineTest, WholeNodesAreMatrices) {
  for (const Named& n : test::all_operators()) {
    SCOPED_TRACE(n.name);
    for (int v = 1; v < static_cast<int>(n.graph.nodes.size()); ++v) {
      if (elementwise(n.graph.nodes[static_cast<std::size_t>(v)].op)) continue;
      for (const std::size_t pack : {std::size_t{0}, std::size_t{1} << 20}) {
        run_plan<TypeParam>(n.graph, v, false, v, pack, 7);
      }
    }
  }
}

TYPED_TEST(AffineTest, WindowsAreMatrices) {
  int windowed = 0;
  for (const Named& n : test::all_operators()) {
    SCOPED_TRACE(n.name);
    const int last = static_cast<int>(n.graph.nodes.size()) - 1;
    if (!n.graph.nodes.back().shape.image()) continue;
    // One pixel of the operator itself, and the windows that convolutions behind it ask for.
    for (int behind = 0; behind < 4; ++behind) {
      SCOPED_TRACE(behind);
      Builder b(50 + static_cast<std::uint64_t>(behind));
      b.graph = n.graph;
      if (behind == 1) b.conv(last, 2, test::square(3, 1, 1));
      if (behind == 2) b.conv(last, 2, test::square(2, 2, 1));
      if (behind == 3) {  // windows joined
        const int first = b.conv(last, 2, test::square(3, 1, 1));
        const int second = b.conv(last, 2, {1, 2, 1, 1, 1, 1, 0, 0, 0, 1, 1});
        b.sum({first, second}, {1, -1});
      }
      const Graph graph = b.finish();
      for (int v = 1; v <= last; ++v) {
        if (elementwise(graph.nodes[static_cast<std::size_t>(v)].op)) continue;
        run_plan<TypeParam>(graph, static_cast<int>(graph.nodes.size()) - 1, true, v,
                            std::size_t{1} << 20, 11);
        const Network<TypeParam> net(graph, 0);
        const Plan plan = make_plan(net, static_cast<int>(graph.nodes.size()) - 1, true);
        windowed += !plan.extent[static_cast<std::size_t>(v)].whole;
      }
    }
  }
  EXPECT_GT(windowed, 100);  // else nothing was tested
}

TYPED_TEST(AffineTest, PullSelectionIsPullOfOneHotRows) {
  using T = TypeParam;
  for (const Named& n : test::all_operators()) {
    SCOPED_TRACE(n.name);
    const int v = static_cast<int>(n.graph.nodes.size()) - 1;
    if (elementwise(n.graph.nodes.back().op)) continue;
    const Network<T> net(n.graph, std::size_t{1} << 20);
    const Affine<T>& op = *net.affine(v);
    const auto size = static_cast<std::size_t>(net.size(v));
    const auto from = static_cast<std::size_t>(net.size(net.inputs(v)[0]));
    std::vector<int> neuron;
    std::vector<T> sign;
    std::vector<T> a;
    for (std::size_t j = 0; j < size; ++j) {
      neuron.push_back(static_cast<int>(size - 1 - j));
      sign.push_back(j % 3 == 0 ? T(-1) : T(1));
      a.resize(a.size() + size, T(0));
      a[j * size + size - 1 - j] = sign.back();
    }
    std::vector<T> u(size * from, T(3));
    std::vector<double> bias(size, 0.25);
    if (!op.pull_selection(static_cast<int>(size), neuron.data(), sign.data(), u.data(),
                           bias.data())) {
      continue;
    }
    for (std::size_t r = 0; r < size; ++r) {
      EXPECT_DOUBLE_EQ(bias[r], 0.25 + sign[r] * op.bias_of(neuron[r]));
    }
    std::vector<T> expected(size * from, T(4));
    const Extent in = Extent::all(net.shape(net.inputs(v)[0]));
    op.pull({static_cast<int>(size), nullptr, nullptr}, a.data(), Extent::all(net.shape(v)), 0,
            expected.data(), in, false);
    EXPECT_EQ(u, expected);
  }
}

TEST(Affine, ApplyIsTheMatrixAndApplyAbsItsMagnitude) {
  for (const Named& n : test::all_operators()) {
    SCOPED_TRACE(n.name);
    const Reference reference(n.graph);
    const Network<double> net(n.graph, 0);
    const Network<float> net32(n.graph, 0);
    for (int v = 1; v < net.nodes(); ++v) {
      if (net.elementwise(v)) continue;
      const Affine<double>& op = *net.affine(v);
      Draw draw(static_cast<std::uint64_t>(v));
      std::vector<std::vector<double>> u;
      std::vector<const double*> data;
      for (const int k : net.inputs(v)) u.push_back(draw.reals(net.size(k), -1, 1));
      for (const auto& each : u) data.push_back(each.data());
      const auto size = static_cast<std::size_t>(net.size(v));
      std::vector<double> y(size, 9);
      std::vector<double> absolute(size, 9);
      op.apply(data.data(), y.data(), nullptr);
      op.apply_abs(data.data(), absolute.data(), nullptr);
      int most = 0;  // the true K: of apply by rows, of pull by columns, of bias
      std::vector<std::vector<int>> column(u.size());
      int biased = 0;
      for (std::size_t i = 0; i < size; ++i) {
        double sum = reference.bias(v)[i];
        double magnitude = 0;
        double scale = std::fabs(sum) + 1;
        int terms = sum != 0 ? 1 : 0;
        biased += terms;
        for (std::size_t k = 0; k < u.size(); ++k) {
          column[k].resize(u[k].size());
          for (const auto& e : reference.matrix(v, static_cast<int>(k))[i]) {
            const double x = u[k][static_cast<std::size_t>(e.from)];
            sum += e.value * x;
            magnitude += std::fabs(e.value) * x;
            scale += std::fabs(e.value * x);
            ++terms;
            ++column[k][static_cast<std::size_t>(e.from)];
          }
        }
        most = std::max(most, terms);
        EXPECT_NEAR(y[i], sum, 1e-14 * scale);
        EXPECT_NEAR(absolute[i], magnitude, 1e-14 * scale);
        EXPECT_EQ(op.bias_of(static_cast<int>(i)), reference.bias(v)[i]);
      }
      for (const auto& each : column) {
        for (const int c : each) most = std::max(most, c);
      }
      EXPECT_GE(op.terms(), std::max(most, biased));
      EXPECT_EQ(net32.affine(v)->terms(), op.terms());
    }
  }
}

// Operators so large that their columns are dealt to workers.
TEST(AffineColumns, BitsDoNotDependOnTheWorkers) {
  Builder b(31);
  const int image = b.input({20, 21, 16});
  for (const bool f64 : {false, true}) {
    b.conv(image, 24, test::square(3, 1, 1), f64);
    b.dense(image, 170, f64);
  }
  const Graph graph = b.finish();
  const Network<double> net(graph, 0);
  Draw draw(32);
  const std::vector<double> u = draw.reals(graph.inputs(), -1, 1);
  const double* const from = u.data();
  for (int v = 1; v < net.nodes(); ++v) {
    const Affine<double>& op = *net.affine(v);
    const auto columns = [&](Workers* workers) {
      std::vector<double> y(2 * static_cast<std::size_t>(net.size(v)));
      op.apply(&from, y.data(), workers);
      op.apply_abs(&from, y.data() + net.size(v), workers);
      return y;
    };
    const std::vector<double> alone = columns(nullptr);
    for (const int threads : {1, 2, 3, 7}) {
      Workers workers(threads);
      EXPECT_EQ(columns(&workers), alone) << "node " << v << ", " << threads << " threads";
    }
  }
}

}  // namespace
}  // namespace coronet::bound
