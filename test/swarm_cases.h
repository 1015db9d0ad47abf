// What every swarm must do, wherever its points are.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "bound/swarm.h"
#include "graphs.h"

namespace coronet::test {

/// Points of two boxes, those at even places in the first.
struct SwarmCase {
  SwarmCase(const Graph& graph, int points, Draw& draw) : inputs(graph.inputs()) {
    for (int b = 0; b < 2; ++b) {
      const TestBox one(draw, inputs, 0.4);
      boxes.lower.insert(boxes.lower.end(), one.lower.begin(), one.lower.end());
      boxes.upper.insert(boxes.upper.end(), one.upper.begin(), one.upper.end());
      for (int p = b; p < points; p += 2) at[b].push_back(one.point(draw));
    }
    for (int p = 0; p < points; ++p) {
      box.push_back(p % 2);
      const std::vector<double>& from = at[p % 2][static_cast<std::size_t>(p / 2)];
      x.insert(x.end(), from.begin(), from.end());
    }
    dy = draw.reals(points * graph.outputs(), -1, 1);
    more = draw.reals(points * inputs, -0.1, 0.1);
  }
  [[nodiscard]] std::vector<double> point(std::size_t p) const {
    const float* from = x.data() + p * static_cast<std::size_t>(inputs);
    return {from, from + inputs};
  }
  int inputs;
  bound::Boxes boxes;
  std::vector<std::vector<double>> at[2];
  std::vector<int> box;
  std::vector<float> x;
  std::vector<double> dy, more;
};

/// dy . y(x) + more . x in long double.
inline long double aimed_at(const Reference& reference, const SwarmCase& c, std::size_t p,
                            const std::vector<double>& x, bool with_more) {
  const auto y = reference.values(x).back();
  long double sum = 0;
  for (std::size_t j = 0; j < y.size(); ++j) {
    sum += static_cast<float>(c.dy[p * y.size() + j]) * y[j];
  }
  for (std::size_t j = 0; with_more && j < x.size(); ++j) sum += c.more[p * x.size() + j] * x[j];
  return sum;
}

/// Number j of point p after a step of this size, of which `moved` is what the swarm made: down its
/// gradient where that is far from zero and no kink is near. True where there was something to see.
inline bool moves_down(const Reference& reference, const SwarmCase& c, std::size_t p, std::size_t j,
                       bool with_more, double size, float moved) {
  constexpr double kNear = 1e-4;
  std::vector<double> x = c.point(p);
  const double here = x[j];
  long double value[3];
  for (const int side : {-1, 0, 1}) {
    x[j] = here + side * kNear;
    value[side + 1] = aimed_at(reference, c, p, x, with_more);
  }
  const double below = static_cast<double>(value[1] - value[0]) / kNear;
  const double above = static_cast<double>(value[2] - value[1]) / kNear;
  if (std::fabs(above) < 1e-2 || std::fabs(above - below) > 0.1 * std::fabs(above)) return false;
  const std::size_t at = static_cast<std::size_t>(c.box[p] * c.inputs) + j;
  const double lower = c.boxes.lower[at];
  const double upper = c.boxes.upper[at];
  const double want = std::clamp(here - (above > 0 ? size : -size) * (upper - lower), lower, upper);
  EXPECT_EQ(moved, static_cast<float>(want)) << "point " << p << ", input " << j;
  return true;
}

/// make(graph, boxes) is a swarm on the network, for as long as what it returns lives.
template <class Make>
void check_swarms(int points, const Make& make) {
  int seen = 0;
  int all = 0;
  Draw draw(51);
  for (const Named& n : random_networks(4)) {
    SCOPED_TRACE(n.name);
    const Reference reference(n.graph);
    const SwarmCase c(n.graph, points, draw);
    const std::vector<float> dy(c.dy.begin(), c.dy.end());
    const auto outputs = static_cast<std::size_t>(n.graph.outputs());
    const auto made = make(n.graph, c.boxes);
    bound::Swarm& swarm = *made.swarm;
    std::vector<float> y(c.box.size() * outputs);
    for (const bool with_more : {false, true}) {
      const double size = with_more ? 0.05 : 0.3;
      std::vector<float> moved[2];
      for (std::vector<float>& to : moved) {
        swarm.place(c.x, c.box);
        swarm.evaluate(y.data(), true);
        swarm.descend(dy.data(), with_more ? c.more.data() : nullptr, size);
        to.resize(c.x.size());
        swarm.read(0, points, to.data());
      }
      EXPECT_EQ(moved[0], moved[1]);
      std::vector<float> last(static_cast<std::size_t>(c.inputs));
      swarm.read(points - 1, 1, last.data());
      EXPECT_TRUE(std::equal(last.begin(), last.end(), moved[0].end() - c.inputs));
      for (std::size_t p = 0; p < c.box.size(); ++p) {
        const auto want = reference.values(c.point(p)).back();
        for (std::size_t j = 0; j < outputs; ++j) {
          const auto of = static_cast<double>(want[j]);
          ASSERT_NEAR(y[p * outputs + j], of, 1e-4 * (1 + std::fabs(of))) << "point " << p;
        }
        if (p % 23 != 0) continue;  // the reference takes its time
        for (std::size_t j = 0; j < static_cast<std::size_t>(c.inputs); ++j) {
          const float to = moved[0][p * static_cast<std::size_t>(c.inputs) + j];
          seen += moves_down(reference, c, p, j, with_more, size, to) ? 1 : 0;
          ++all;
        }
      }
    }
    // Without `keep`, the same values.
    std::vector<float> again(y.size());
    swarm.place(c.x, c.box);
    swarm.evaluate(again.data(), false);
    EXPECT_EQ(again, y);
  }
  EXPECT_GT(seen, all / 4);
}

}  // namespace coronet::test
