// Columns multiplied on a GPU against the CPU's: what intervals and magnitudes are made of.
#include <cmath>
#include <vector>

#include "on_gpu.h"

namespace coronet::bound {
namespace {

using test::Builder;
using test::Draw;
using test::Named;
using test::OnGpu;

/// Every operator, and some so large that a row or an image takes many blocks.
std::vector<Named> operators() {
  std::vector<Named> all = test::all_operators();
  for (const bool f64 : {false, true}) {
    Builder b(41);
    const int image = b.input({33, 31, 16});
    const int conv = b.conv(image, 70, test::square(3, 2, 1), f64);
    b.dense(conv, 301, f64);
    all.push_back({f64 ? "large, float64" : "large, float32", b.finish()});
  }
  return all;
}

/// As lowering leaves them where it folded constants: terms larger than what they add up to.
void hide(Graph& graph, Draw& draw) {
  for (Node& node : graph.nodes) {
    if (Dense* dense = std::get_if<Dense>(&node.op)) {
      dense->precision = {3, draw.reals(dense->out, 0, 1)};
    } else if (Conv* conv = std::get_if<Conv>(&node.op)) {
      conv->precision = {3, draw.reals(conv->out.channels, 0, 1)};
    }
  }
}

/// A node's inputs, of either sign, and their sizes.
struct Columns {
  Columns(const Network<double>& net, int v, Draw& draw) {
    for (const int u : net.inputs(v)) {
      value.push_back(draw.reals(net.size(u), -1, 1));
      size.push_back(value.back());
      for (double& x : size.back()) x = std::fabs(x);
    }
    for (std::size_t k = 0; k < value.size(); ++k) {
      values.push_back(value[k].data());
      sizes.push_back(size[k].data());
    }
  }
  std::vector<std::vector<double>> value, size;
  std::vector<const double*> values, sizes;
};

TEST(CudaColumn, IsThatOfTheCpuUpToRounding) {
  SKIP_WITHOUT_DEVICE();
  Draw draw(42);
  for (Named& n : operators()) {
    SCOPED_TRACE(n.name);
    hide(n.graph, draw);
    OnGpu gpu(n.graph, "tf32", 96);
    const Network<double>& here = gpu.engine.net64;
    const Network<double>& there = gpu.device->columns();
    for (int v = 1; v < here.nodes(); ++v) {
      if (here.affine(v) == nullptr) continue;
      const Affine<double>& op = *here.affine(v);
      const Columns in(here, v, draw);
      const auto n_v = static_cast<std::size_t>(here.size(v));
      std::vector<double> plain(n_v), absolute(n_v), got(n_v), again(n_v);
      op.apply(in.values.data(), plain.data(), nullptr);
      op.apply_abs(in.sizes.data(), absolute.data(), nullptr);
      const double unit = 2 * gamma(op.terms() + 2);
      const auto compare = [&](const std::vector<double>& want) {
        ASSERT_EQ(got, again);
        for (std::size_t i = 0; i < n_v; ++i) {
          const double of = absolute[i] + std::fabs(op.bias_of(static_cast<int>(i)));
          ASSERT_NEAR(got[i], want[i], unit * of) << "node " << v << " element " << i;
        }
      };
      there.affine(v)->apply(in.values.data(), got.data(), nullptr);
      there.affine(v)->apply(in.values.data(), again.data(), nullptr);
      compare(plain);
      there.affine(v)->apply_abs(in.sizes.data(), got.data(), nullptr);
      there.affine(v)->apply_abs(in.sizes.data(), again.data(), nullptr);
      compare(absolute);
    }
  }
}

// Through the same code as a root's: the bounds hold of points, and are the CPU's up to rounding.
TEST(CudaColumn, IntervalsContainWhatTheNetworkComputes) {
  SKIP_WITHOUT_DEVICE();
  Draw draw(43);
  for (const Named& n : test::random_networks(3)) {
    SCOPED_TRACE(n.name);
    const test::Reference reference(n.graph);
    OnGpu gpu(n.graph, "tf32", 96);
    for (const double radius : {0.0, 1e-12, 0.3}) {
      const test::TestBox box(draw, n.graph.inputs(), radius);
      const Bounds here = interval_bounds(gpu.engine.net64, 1, box.lower, box.upper);
      const Bounds there = interval_bounds(gpu.device->columns(), 1, box.lower, box.upper);
      const auto values = reference.values(box.point(draw));
      for (std::size_t v = 0; v < values.size(); ++v) {
        for (std::size_t i = 0; i < values[v].size(); ++i) {
          ASSERT_LE(there.lo[v][i], values[v][i]) << "node " << v << " element " << i;
          ASSERT_GE(there.hi[v][i], values[v][i]) << "node " << v << " element " << i;
          const double scale = 1 + std::fabs(here.lo[v][i]) + std::fabs(here.hi[v][i]);
          ASSERT_NEAR(there.lo[v][i], here.lo[v][i], 1e-9 * scale);
          ASSERT_NEAR(there.hi[v][i], here.hi[v][i], 1e-9 * scale);
        }
      }
    }
  }
}

}  // namespace
}  // namespace coronet::bound
