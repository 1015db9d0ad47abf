// The network written out without its dead neurons: the same bounds with the same slopes.
#include "bound/thinned.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "bound/root.h"
#include "graphs.h"

namespace coronet::bound {
namespace {

using test::Builder;
using test::Draw;
using test::Engine;
using test::Reference;
using test::TestBox;

/// Convolutions of whole images, of whose neurons two thirds are dead.
Graph mostly_dead(std::uint64_t seed) {
  Builder b(seed);
  int u = b.input({6, 6, 2});
  const auto layer = [&](int from, int channels, const test::Window2& w) {
    const int v = b.conv(from, channels, w);
    auto& bias = std::get<Conv>(b.graph.nodes[static_cast<std::size_t>(v)].op).bias;
    for (std::size_t c = 0; c < bias.size(); ++c) bias[c] = c % 3 == 0 ? 0.1 : -30;
    return v;
  };
  u = b.relu(layer(u, 12, test::square(3, 1, 1)));
  const int left = b.conv(b.relu(layer(u, 12, test::square(3, 1, 1))), 9, test::square(3, 2, 1));
  const int right = layer(u, 9, test::square(1, 2));
  u = b.relu(b.scale(b.sum({left, right}, {0.5, 1}), 9));
  u = b.relu(b.conv(u, 8, test::square(3, 1, 1)));
  b.dense(u, 3);
  return b.finish();
}

RowList both_signs(int node, const std::vector<int>& neurons) {
  RowList list;
  list.node = node;
  for (int j : neurons) {
    list.neuron.insert(list.neuron.end(), {j, j});
    list.sign.insert(list.sign.end(), {1.0F, -1.0F});
  }
  return list;
}

TEST(Thinned, SameBoundsAndSlopesInTheirPlaces) {
  int made = 0;
  for (std::uint64_t seed = 0; seed < 6; ++seed) {
    const Graph graph = mostly_dead(seed);
    Draw draw(seed);
    const TestBox box(draw, graph.inputs(), 0.2);
    Engine engine(graph);
    RootSettings settings;
    settings.method = Method::kCrown;
    const Root root = bound_root(engine.context, box.lower, box.upper, settings);
    for (int v = 1; v < engine.net32.nodes(); ++v) {
      if (engine.net32.affine(v) == nullptr) continue;
      SCOPED_TRACE(testing::Message() << "seed " << seed << " node " << v);
      std::vector<int> neurons;
      for (int j = 0; j < engine.net32.size(v); j += 1 + draw.whole(0, 4)) neurons.push_back(j);
      const RowList list = both_signs(v, neurons);
      const Plan plan = make_plan(engine.net32, v, false);
      const auto thinned = Thinned::make(engine.net32, root, list, plan);
      if (thinned == nullptr) continue;
      ++made;
      const int count = static_cast<int>(list.neuron.size());
      Rows<float> rows = make_rows(thinned->net(), thinned->list(), 0, count, false);
      Rows<float> wide = make_rows(engine.net32, list, 0, count, false);
      rows.alpha.resize(static_cast<std::size_t>(v) + 1);
      wide.alpha.resize(static_cast<std::size_t>(v) + 1);
      for (int e : thinned->plan().elementwise) {
        const auto at = static_cast<std::size_t>(e);
        const Lines<float>& lines = thinned->relaxation().lines[at];
        for (int r = 0; r < count; ++r) {
          for (int i = 0; i < lines.size; ++i) {
            const auto j = static_cast<std::size_t>(i);
            rows.alpha[at].value.push_back(lines.free[j] != 0 ? static_cast<float>(draw.real(0, 1))
                                                              : lines.sl[j]);
          }
        }
        wide.alpha[at].value = thinned->widen<float>(e, rows.alpha[at].value, 0, plan.extent[at],
                                                     wide.set(), root.relax32.lines[at]);
      }
      std::vector<float> bound;
      std::vector<float> expected;
      Workspace<float> space;
      Pass<float>(thinned->net(), thinned->relaxation(), thinned->plan(), space)
          .pull(rows, false, bound);
      Pass<float>(engine.net32, root.relax32, plan, space).pull(wide, false, expected);
      for (std::size_t r = 0; r < bound.size(); ++r) {
        EXPECT_NEAR(bound[r], expected[r], 1e-4F * (1 + std::fabs(expected[r])));
      }
    }
  }
  EXPECT_GT(made, 6);
}

TEST(Thinned, RootsWithManyRowsAreSoundAndDoNotDependOnThreadsOrChunks) {
  for (std::uint64_t seed = 0; seed < 2; ++seed) {
    SCOPED_TRACE(seed);
    const Graph graph = mostly_dead(seed);
    const Reference reference(graph);
    Draw draw(seed);
    const TestBox box(draw, graph.inputs(), 0.2);
    RootSettings settings;
    settings.iterations = 30;
    settings.all_neurons = true;
    Engine one(graph, 1);
    Engine three(graph, 3);
    three.options.chunk_mib = 0.05;
    const Root a = bound_root(one.context, box.lower, box.upper, settings);
    const Root b = bound_root(three.context, box.lower, box.upper, settings);
    EXPECT_EQ(a.bounds.lo, b.bounds.lo);
    EXPECT_EQ(a.bounds.hi, b.bounds.hi);
    for (int s = 0; s < 50; ++s) {
      const auto values = reference.values(box.point(draw));
      for (std::size_t v = 0; v < values.size(); ++v) {
        for (std::size_t j = 0; j < values[v].size(); ++j) {
          ASSERT_LE(a.bounds.lo[v][j], values[v][j]);
          ASSERT_GE(a.bounds.hi[v][j], values[v][j]);
        }
      }
    }
  }
}

TEST(Thinned, NotWhereRowsAreAboutSmallWindows) {
  const Graph graph = mostly_dead(1);
  Draw draw(1);
  const TestBox box(draw, graph.inputs(), 0.2);
  Engine engine(graph);
  RootSettings settings;
  settings.method = Method::kCrown;
  const Root root = bound_root(engine.context, box.lower, box.upper, settings);
  const int v = 3;
  std::vector<int> neurons;
  for (int j = 0; j < engine.net32.size(v); ++j) neurons.push_back(j);
  const RowList list = both_signs(v, neurons);
  const bool made_of_windows =
      Thinned::make(engine.net32, root, list, make_plan(engine.net32, v, true)) != nullptr;
  const bool made_of_images =
      Thinned::make(engine.net32, root, list, make_plan(engine.net32, v, false)) != nullptr;
  EXPECT_FALSE(made_of_windows);
  EXPECT_TRUE(made_of_images);
}

}  // namespace
}  // namespace coronet::bound
