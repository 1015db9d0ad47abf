// Linear bounds over a box: no point on the near side of every plane is ever lost.
#include "search/planes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include "graphs.h"

namespace coronet::search {
namespace {

using test::Draw;
using Vector = std::vector<double>;

long double at(const Plane& p, const Vector& x) {
  long double sum = p.b;
  for (std::size_t j = 0; j < x.size(); ++j) sum += static_cast<long double>(p.a[j]) * x[j];
  return sum;
}

bool inside(const Vector& x, const Vector& lower, const Vector& upper) {
  for (std::size_t j = 0; j < x.size(); ++j) {
    if (!(x[j] >= lower[j] && x[j] <= upper[j])) return false;
  }
  return true;
}

/// Intervals of every kind: wide, tiny, points, far from zero.
test::TestBox random_box(Draw& draw, int n) {
  test::TestBox box;
  for (int j = 0; j < n; ++j) {
    const double centers[] = {0, draw.real(-1, 1), draw.real(-1, 1), 1e6, -1e-9};
    const double radii[] = {0, 1e-15, 1e-6, draw.real(0, 1), 1, 1e5};
    const double c = centers[draw.whole(0, 4)];
    const double r = radii[draw.whole(0, 5)];
    box.lower.push_back(c - r);
    box.upper.push_back(c + r);
  }
  return box;
}

Vector random_slope(Draw& draw, int n) {
  Vector a;
  for (int j = 0; j < n; ++j) {
    const double kinds[] = {0.0, -0.0, draw.real(-1, 1), draw.gauss(), 1e-12, -1e9, 1};
    a.push_back(kinds[draw.whole(0, 6)]);
  }
  return a;
}

/// A plane with x on its near side, mostly exactly on it.
Plane through(Draw& draw, const Vector& x, int n) {
  Plane p{random_slope(draw, n), 0};
  p.b = static_cast<double>(-at(p, x));
  if (draw.whole(0, 3) == 0) p.b -= draw.real(0, 0.5);
  while (at(p, x) > 0) p.b = std::nextafter(p.b, -HUGE_VAL);
  return p;
}

TEST(Planes, MadePlanesLieBelowTheFunction) {
  Draw draw(1);
  for (int repeat = 0; repeat < 3000; ++repeat) {
    const int n = draw.whole(1, 5);
    const test::TestBox box = random_box(draw, n);
    const Plane f{random_slope(draw, n), draw.real(-1, 1)};  // a . x + b is the function itself
    long double least = f.b;
    long double size = std::fabs(f.b);
    for (std::size_t j = 0; j < f.a.size(); ++j) {
      const double end = f.a[j] >= 0 ? box.lower[j] : box.upper[j];
      least += static_cast<long double>(f.a[j]) * end;
      size += std::fabs(static_cast<long double>(f.a[j]) * end);
    }
    const double error = draw.whole(0, 1) == 0 ? 0 : 1e-3;
    const Plane p = make_plane(f.a.data(), std::nextafter(static_cast<double>(least), -HUGE_VAL),
                               error, box.lower, box.upper);
    EXPECT_EQ(p.a, f.a);
    for (int s = 0; s < 5; ++s) {
      const Vector x = box.point(draw);
      ASSERT_LE(at(p, x), at(f, x) - error * 0.999L);
      ASSERT_GE(at(p, x), at(f, x) - error - 1e-13L * (size + std::fabs(at(f, x))));
    }
  }
  const Vector a{1};
  const Plane nothing = make_plane(a.data(), -HUGE_VAL, 0, {0}, {1});
  EXPECT_FALSE(nothing.b > -1e300) << "a bound of nothing";
}

TEST(Planes, NoPointOnTheNearSideIsLost) {
  Draw draw(2);
  int smaller = 0;
  for (int repeat = 0; repeat < 20000; ++repeat) {
    const int n = draw.whole(1, 4);
    const test::TestBox box = random_box(draw, n);
    const Vector x = box.point(draw);
    std::vector<Plane> planes;
    const int m = draw.whole(1, 5);
    for (int i = 0; i < m; ++i) planes.push_back(through(draw, x, n));
    ASSERT_FALSE(contradict(planes, box.lower, box.upper)) << "repeat " << repeat;
    Vector lower = box.lower;
    Vector upper = box.upper;
    ASSERT_TRUE(clip(planes, lower, upper)) << "repeat " << repeat;
    ASSERT_TRUE(inside(x, lower, upper)) << "repeat " << repeat;
    ASSERT_TRUE(inside(lower, box.lower, box.upper) && inside(upper, box.lower, box.upper));
    smaller += lower != box.lower || upper != box.upper;
    for (int s = 0; s < 8; ++s) {
      const Vector other = box.point(draw);
      if (std::all_of(planes.begin(), planes.end(),
                      [&](const Plane& p) { return at(p, other) <= 0; })) {
        ASSERT_TRUE(inside(other, lower, upper)) << "repeat " << repeat;
      }
    }
  }
  EXPECT_GT(smaller, 5000);
}

// Planes of any position: what is called empty has no sampled point.
TEST(Planes, WhatIsCalledEmptyIsEmpty) {
  Draw draw(3);
  int contradicted = 0;
  int clipped = 0;
  for (int repeat = 0; repeat < 5000; ++repeat) {
    const int n = draw.whole(1, 3);
    const test::TestBox box(draw, n, 1);
    std::vector<Plane> planes;
    const int m = draw.whole(2, 5);
    for (int i = 0; i < m; ++i) planes.push_back({random_slope(draw, n), draw.real(-0.5, 0.5)});
    const bool none = contradict(planes, box.lower, box.upper);
    Vector lower = box.lower;
    Vector upper = box.upper;
    const bool cut = !clip(planes, lower, upper);
    contradicted += none;
    clipped += cut;
    for (int s = 0; s < 20; ++s) {
      const Vector x = box.point(draw);
      if (!std::all_of(planes.begin(), planes.end(),
                       [&](const Plane& p) { return at(p, x) <= 0; })) {
        continue;
      }
      ASSERT_FALSE(none) << "repeat " << repeat;
      ASSERT_FALSE(cut) << "repeat " << repeat;
      ASSERT_TRUE(inside(x, lower, upper)) << "repeat " << repeat;
    }
  }
  EXPECT_GT(contradicted, 500);
  EXPECT_GT(clipped, 500);
}

TEST(Planes, ObviousContradictionsAreFound) {
  for (const double scale : {1.0, 1e-6, 1e6}) {
    for (const double gap : {0.1, 0.5}) {
      SCOPED_TRACE(testing::Message() << scale << ", " << gap);
      const Vector lower{-1, -1};
      const Vector upper{1, 1};
      // x + gap <= 0 and -x + gap <= 0, also when one is far steeper.
      EXPECT_TRUE(contradict({{{scale, 0}, scale * gap}, {{-1, 0}, gap}}, lower, upper));
      EXPECT_TRUE(contradict({{{-1, 0}, gap}, {{scale, 0}, scale * gap}}, lower, upper));
      // x + y <= -gap, x - y <= -gap, y - x <= -gap, -x - y <= -gap
      const auto four = [&](double b) {
        return std::vector<Plane>{{{scale, scale}, scale * b},
                                  {{scale, -scale}, scale * b},
                                  {{-scale, scale}, scale * b},
                                  {{-scale, -scale}, scale * b}};
      };
      EXPECT_TRUE(contradict(four(gap), lower, upper));
      EXPECT_FALSE(contradict(four(-gap), lower, upper));
      EXPECT_FALSE(contradict(four(0), lower, upper)) << "the origin is on all of them";
      // A pair among planes that say nothing.
      EXPECT_TRUE(
          contradict({{{1, 0}, gap}, {{0, 1}, -2}, {{-1, 0}, gap}, {{0, 0}, -1}}, lower, upper));
    }
  }
  EXPECT_FALSE(contradict({}, {0}, {1}));
}

TEST(Planes, ClipsToTheObviousPart) {
  Vector lower{-1, -1};
  Vector upper{1, 1};
  ASSERT_TRUE(clip({{{2, 0}, -1}, {{0, -1}, 0.25}}, lower, upper));
  EXPECT_EQ(lower[0], -1);
  EXPECT_NEAR(upper[0], 0.5, 1e-12);
  EXPECT_NEAR(lower[1], 0.25, 1e-12);
  EXPECT_EQ(upper[1], 1);
  // x + y <= -2 leaves a corner.
  lower = {-1, -1};
  upper = {1, 1};
  ASSERT_TRUE(clip({{{1, 1}, 2}}, lower, upper));
  EXPECT_NEAR(upper[0], -1, 1e-12);
  EXPECT_NEAR(upper[1], -1, 1e-12);
  EXPECT_FALSE(clip({{{1, 1}, 2.001}}, lower, upper));
  EXPECT_FALSE(clip({{{0, 0}, 1}}, lower, upper));
}

TEST(Planes, NumbersThatAreNoneSayNothing) {
  constexpr double kInf = std::numeric_limits<double>::infinity();
  for (const double bad : {std::nan(""), -kInf}) {
    for (const bool in_slope : {false, true}) {
      const Plane p = in_slope ? Plane{{bad, 1}, 0} : Plane{{1, 1}, bad};
      const Plane half{{1, 0}, 0};
      for (const std::size_t m : {1U, 2U, 4U}) {
        std::vector<Plane> planes(m, half);
        planes[0] = p;
        Vector lower{-1, -1};
        Vector upper{1, 1};
        EXPECT_FALSE(contradict(planes, lower, upper));
        EXPECT_TRUE(clip(planes, lower, upper));
        EXPECT_TRUE(inside({-1, -1}, lower, upper));
      }
    }
  }
}

}  // namespace
}  // namespace coronet::search
