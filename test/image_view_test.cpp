// A node may be read as another image of the same numbers (after a Reshape that moves nothing):
// windows must not leak through.
#include <gtest/gtest.h>

#include "bound/root.h"
#include "graphs.h"

namespace coronet::bound {
namespace {

TEST(ImageView, ReadingANodeAsAnotherImageChangesNoBound) {
  for (int seed = 0; seed < 4; ++seed) {
    for (const Shape& view : {Shape{16, 1, 3}, Shape{1, 16, 3}, Shape{2, 8, 3}}) {
      test::Builder b(seed);
      const int input = b.input({4, 4, 2});
      const int first = b.conv(input, 3, test::square(3, 1, 1));
      const int relu1 = b.add(Relu{}, {first}, b.shape(first));
      const int mixed = b.conv(relu1, 3, test::square(3, 1, 1));
      const int relu2 = b.add(Relu{}, {mixed}, b.shape(mixed));
      const int tokens = b.conv(relu2, 4, test::square(1));
      const int relu3 = b.add(Relu{}, {tokens}, b.shape(tokens));
      b.dense(relu3, 3);
      const Graph plain = b.graph;
      Graph viewed = plain;
      auto& conv = std::get<Conv>(viewed.nodes[tokens].op);
      conv.in = view;
      conv.out = {view.height, view.width, 4};
      viewed.nodes[tokens].shape = conv.out;
      viewed.nodes[relu3].shape = conv.out;
      test::Draw draw(seed);
      const test::TestBox box(draw, 32, 0.3);
      RootSettings settings;
      settings.method = Method::kCrown;
      settings.all_neurons = true;
      test::Engine of_plain(plain);
      test::Engine of_viewed(viewed);
      const Root expected = bound_root(of_plain.context, box.lower, box.upper, settings);
      const Root found = bound_root(of_viewed.context, box.lower, box.upper, settings);
      for (std::size_t v = 0; v < plain.nodes.size(); ++v) {
        for (std::size_t i = 0; i < expected.bounds.lo[v].size(); ++i) {
          ASSERT_NEAR(found.bounds.lo[v][i], expected.bounds.lo[v][i], 1e-9) << v << " " << i;
          ASSERT_NEAR(found.bounds.hi[v][i], expected.bounds.hi[v][i], 1e-9) << v << " " << i;
        }
      }
    }
  }
}

}  // namespace
}  // namespace coronet::bound
