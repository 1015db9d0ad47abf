// The lines of every elementwise operator, judged in long double.
#include <gtest/gtest.h>

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <string>
#include <vector>

#include "base/error.h"
#include "bound/lines.h"
#include "graphs.h"

namespace coronet::bound {
namespace {

using test::Draw;
using test::Reference;

struct NamedOp {
  std::string name;
  Operator op;
};

static_assert(std::variant_size_v<Operator> == 10,
              "a new elementwise operator belongs into functions()");
std::vector<NamedOp> functions() {
  std::vector<NamedOp> all;
  for (const double slope : {0.0, 0.01, 0.1, 0.125, 0.7, 0.999}) {
    all.push_back({"relu " + std::to_string(slope), Relu{slope}});
  }
  all.push_back({"sigmoid", Sigmoid{}});
  all.push_back({"tanh", Tanh{}});
  return all;
}

struct Range {
  double l, u;
};

std::vector<Range> ranges() {
  std::vector<double> ends = {0};
  for (const double x :
       {5e-324, 1e-310, 1e-300, 1e-30, 1e-12, 1e-9,  1e-6,  1e-3, 0.1, 0.5,  1.0,   2.0,
        3.7,    10.0,   19.0,   36.0,  40.0,  100.0, 745.0, 1e4,  1e9, 1e15, 1e100, 1e300}) {
    ends.push_back(x);
    ends.push_back(-x);
  }
  std::vector<Range> all;
  for (const double l : ends) {
    for (const double u : ends) {
      if (l <= u) all.push_back({l, u});
    }
  }
  Draw draw(3);
  for (int i = 0; i < 400; ++i) {
    const double centre = draw.real(-6, 6);
    const double radius = std::pow(10, draw.real(-12, 1.5));
    all.push_back({centre - radius, centre + radius});
  }
  // Neighbouring doubles.
  for (const double x : {-3.0, -1e-9, 0.0, 1e-3, 0.7, 12.0}) {
    all.push_back({x, std::nextafter(x, 1e9)});
    all.push_back({std::nextafter(x, -1e9), std::nextafter(x, 1e9)});
  }
  return all;
}

long double derivative(const Operator& op, long double z) {
  if (std::holds_alternative<Sigmoid>(op)) {
    const long double e = std::exp(-std::fabs(z));
    return e / ((1 + e) * (1 + e));
  }
  const long double e = std::exp(-2 * std::fabs(z));
  return 4 * e / ((1 + e) * (1 + e));
}

/// Ends, kink, points where the line is parallel to the function, and points between.
std::vector<double> points(const Operator& op, const Range& range, double sl, double su,
                           Draw& draw) {
  std::vector<double> all = {range.l, range.u,
                             std::clamp(range.l / 2 + range.u / 2, range.l, range.u)};
  const auto add = [&](double z) {
    if (z > range.l && z < range.u) all.push_back(z);
  };
  for (const double z :
       {0.0, 5e-324, -5e-324, 1e-300, -1e-300, 1e-9, -1e-9, 0.5, -0.5, 5.0, -5.0, 40.0, -40.0})
    add(z);
  if (!std::holds_alternative<Relu>(op)) {
    for (const double s : {sl, su}) {
      long double a = 0;
      long double b = 12000;
      for (int i = 0; i < 100; ++i) (derivative(op, (a + b) / 2) > s ? a : b) = (a + b) / 2;
      add(static_cast<double>(a));
      add(-static_cast<double>(a));
    }
  }
  for (int i = 0; i < 8; ++i) {
    const double t = draw.real(0, 1);
    add(range.l + t * (range.u - range.l));
    // Near the ends, at every scale.
    add(range.l + std::pow(10, draw.real(-15, 0)) * std::fabs(range.l));
    add(range.u - std::pow(10, draw.real(-15, 0)) * std::fabs(range.u));
  }
  return all;
}

TEST(Lines, AreSoundInDouble) {
  Draw draw(1);
  for (const NamedOp& f : functions()) {
    SCOPED_TRACE(f.name);
    for (const Slope slope : {Slope::kAdaptive, Slope::kParallel, Slope::kZero}) {
      for (const Range& range : ranges()) {
        const Lines<double> lines = make_lines<double>(f.op, 1, 1, &range.l, &range.u, slope);
        const long double sl = lines.sl[0], tl = lines.tl[0], su = lines.su[0], tu = lines.tu[0];
        for (const double z : points(f.op, range, lines.sl[0], lines.su[0], draw)) {
          const long double value = Reference::value(f.op, z);
          // Only what the judge itself can be off by.
          const long double eps = 4 * LDBL_EPSILON *
                                  (std::fabs(sl * z) + std::fabs(tl) + std::fabs(su * z) +
                                   std::fabs(tu) + std::fabs(value));
          ASSERT_LE(sl * z + tl, value + eps)
              << "below, [" << range.l << ", " << range.u << "] at " << z;
          ASSERT_GE(su * z + tu, value - eps)
              << "above, [" << range.l << ", " << range.u << "] at " << z;
        }
      }
    }
  }
}

// Bounds that overflowed, or that are no numbers: a line may say nothing, but nothing wrong.
TEST(Lines, OfEndsWithoutANumberAreSound) {
  constexpr double kInf = std::numeric_limits<double>::infinity();
  const double nan = std::nan("");
  const std::vector<Range> all = {{-kInf, kInf}, {-5, kInf},      {-kInf, 5},         {0, kInf},
                                  {-kInf, 0},    {1e308, kInf},   {nan, nan},         {nan, 5},
                                  {-5, nan},     {-1e308, 1e308}, {-1.7e308, 1.7e308}};
  for (const NamedOp& f : functions()) {
    for (const Range& range : all) {
      SCOPED_TRACE(testing::Message() << f.name << " over " << range.l << ", " << range.u);
      const Lines<double> lines =
          make_lines<double>(f.op, 1, 1, &range.l, &range.u, Slope::kAdaptive);
      double low = 0;
      double high = 0;
      image_of(f.op, range.l, range.u, &low, &high);
      const long double sl = lines.sl[0], tl = lines.tl[0], su = lines.su[0], tu = lines.tu[0];
      for (const double z : {-1e300, -100.0, -5.0, -1.0, 0.0, 1.0, 5.0, 100.0, 1e300}) {
        if (z < range.l || z > range.u) continue;
        const long double value = Reference::value(f.op, z);
        EXPECT_FALSE(sl * z + tl > value);
        EXPECT_FALSE(su * z + tu < value);
        EXPECT_LE(low, value);
        EXPECT_GE(high, value);
      }
    }
  }
}

TEST(Lines, OfFreeNeuronsAreSoundForEverySlope) {
  Draw draw(2);
  for (const NamedOp& f : functions()) {
    SCOPED_TRACE(f.name);
    for (const Range& range : ranges()) {
      const Lines<double> lines =
          make_lines<double>(f.op, 1, 1, &range.l, &range.u, Slope::kAdaptive);
      EXPECT_EQ(lines.relu, std::holds_alternative<Relu>(f.op));
      const bool free = lines.relu && range.l < 0 && range.u > 0;
      EXPECT_EQ(lines.free[0], free ? 1 : 0) << range.l << ", " << range.u;
      if (!lines.relu) continue;
      EXPECT_EQ(lines.tl[0], 0);
      EXPECT_EQ(lines.floor, std::get<Relu>(f.op).negative_slope);
      if (!free) {
        EXPECT_EQ(lines.sl[0], range.l >= 0 ? 1 : lines.floor);
        EXPECT_EQ(lines.sl[0], lines.su[0]);
        EXPECT_EQ(lines.tu[0], 0);
        continue;
      }
      for (const double alpha : {lines.floor, 1.0, draw.real(lines.floor, 1)}) {
        for (const double z : points(f.op, range, 0, 0, draw)) {
          ASSERT_LE(static_cast<long double>(alpha) * z,
                    Reference::value(f.op, z) +
                        4 * LDBL_EPSILON * std::fabs(static_cast<long double>(alpha) * z));
        }
      }
    }
  }
}

// Slopes are found in float and counted with in double: they must be allowed there too.
TEST(Lines, SlopesOfFloatAreAllowedInDouble) {
  for (const double slope : {0.0, 0.01, 0.05, 0.1, 0.3, 0.7, 0.9}) {
    const Operator op = Relu{slope};
    for (const Range& range : {Range{-2, -1}, Range{-3, 1}, Range{-1, 3}}) {
      const Lines<float> lines = make_lines<float>(op, 1, 1, &range.l, &range.u, Slope::kZero);
      EXPECT_GE(static_cast<double>(lines.floor), slope);
      EXPECT_GE(static_cast<double>(lines.sl[0]), slope);
    }
  }
}

TEST(Lines, TightnessIsThatOfTheBook) {
  const Range range{-1, 3};
  const Operator relu = Relu{};
  const Lines<double> adaptive =
      make_lines<double>(relu, 1, 1, &range.l, &range.u, Slope::kAdaptive);
  EXPECT_EQ(adaptive.sl[0], 1);
  EXPECT_NEAR(adaptive.su[0], 0.75, 1e-15);
  EXPECT_NEAR(adaptive.tu[0], 0.75, 1e-14);
  EXPECT_NEAR(make_lines<double>(relu, 1, 1, &range.l, &range.u, Slope::kParallel).sl[0], 0.75,
              1e-15);
  EXPECT_EQ(make_lines<double>(relu, 1, 1, &range.l, &range.u, Slope::kZero).sl[0], 0);
  EXPECT_EQ(slope_of("adaptive"), Slope::kAdaptive);
  EXPECT_EQ(slope_of("parallel"), Slope::kParallel);
  EXPECT_EQ(slope_of("zero"), Slope::kZero);
  EXPECT_THROW(slope_of("steep"), Error);
  // Lines touch the function: for ordinary intervals the least gap over the interval is next to
  // nothing.
  for (const NamedOp& f : functions()) {
    SCOPED_TRACE(f.name);
    for (const Range& r :
         {Range{-3, 1}, Range{-1, 3}, Range{-2, 2}, Range{0.5, 2}, Range{-4, -1}, Range{-0.1, 5}}) {
      const Lines<double> lines = make_lines<double>(f.op, 1, 1, &r.l, &r.u, Slope::kAdaptive);
      double below = 1;
      double above = 1;
      for (int i = 0; i <= 20000; ++i) {
        const double z = r.l + (r.u - r.l) * i / 20000;
        const double value = value_of(f.op, z);
        below = std::min(below, value - (lines.sl[0] * z + lines.tl[0]));
        above = std::min(above, lines.su[0] * z + lines.tu[0] - value);
      }
      EXPECT_LT(below, 1e-6);
      EXPECT_LT(above, 1e-6);
    }
  }
}

TEST(Lines, OfSeveralNeuronsAndDomainsLieInOrder) {
  Draw draw(4);
  for (const NamedOp& f : functions()) {
    std::vector<double> lo = draw.reals(12, -2, 1);
    std::vector<double> hi = lo;
    for (double& x : hi) x += draw.real(0, 2);
    const Lines<double> all =
        make_lines<double>(f.op, 4, 3, lo.data(), hi.data(), Slope::kAdaptive);
    const Lines<float> all32 =
        make_lines<float>(f.op, 4, 3, lo.data(), hi.data(), Slope::kAdaptive);
    EXPECT_EQ(all.size, 4);
    EXPECT_EQ(all.at(2), 8U);
    for (std::size_t i = 0; i < 12; ++i) {
      const Lines<double> one = make_lines<double>(f.op, 1, 1, &lo[i], &hi[i], Slope::kAdaptive);
      EXPECT_EQ(all.sl[i], one.sl[0]);
      EXPECT_EQ(all.tl[i], one.tl[0]);
      EXPECT_EQ(all.su[i], one.su[0]);
      EXPECT_EQ(all.tu[i], one.tu[0]);
      EXPECT_EQ(all.free[i], one.free[0]);
      EXPECT_NEAR(all32.sl[i], one.sl[0], 1e-6);
      EXPECT_NEAR(all32.tl[i], one.tl[0], 1e-6);
      EXPECT_NEAR(all32.su[i], one.su[0], 1e-6);
      EXPECT_NEAR(all32.tu[i], one.tu[0], 1e-6);
      EXPECT_EQ(all32.free[i], static_cast<float>(one.free[0]));
    }
  }
}

TEST(Lines, ImageContainsTheFunction) {
  Draw draw(5);
  for (const NamedOp& f : functions()) {
    SCOPED_TRACE(f.name);
    for (const Range& range : ranges()) {
      double lo = 0;
      double hi = 0;
      image_of(f.op, range.l, range.u, &lo, &hi);
      for (const double z : points(f.op, range, 0.1, 0.2, draw)) {
        const long double value = Reference::value(f.op, z);
        const long double eps = 4 * LDBL_EPSILON * std::fabs(value);
        ASSERT_LE(lo, value + eps) << range.l << ", " << range.u << " at " << z;
        ASSERT_GE(hi, value - eps) << range.l << ", " << range.u << " at " << z;
      }
      const long double low = Reference::value(f.op, range.l);
      const long double high = Reference::value(f.op, range.u);
      EXPECT_NEAR(static_cast<double>(lo), static_cast<double>(low),
                  1e-13 * std::fabs(static_cast<double>(low)) + 1e-290);
      EXPECT_NEAR(static_cast<double>(hi), static_cast<double>(high),
                  1e-13 * std::fabs(static_cast<double>(high)) + 1e-290);
    }
  }
}

TEST(Lines, DerivativeIsThatOfTheValue) {
  Draw draw(6);
  for (const NamedOp& f : functions()) {
    SCOPED_TRACE(f.name);
    EXPECT_TRUE(elementwise(f.op));
    for (int i = 0; i < 200; ++i) {
      const double z = draw.real(-8, 8);
      const double h = 1e-5;
      if (std::fabs(z) < h) continue;
      const double slope = (value_of(f.op, z + h) - value_of(f.op, z - h)) / (2 * h);
      EXPECT_NEAR(derivative_of(f.op, z), slope, 1e-8);
      EXPECT_NEAR(value_of(f.op, z), static_cast<double>(Reference::value(f.op, z)),
                  1e-15 * std::fabs(z) + 1e-15);
    }
    if (const Relu* relu = std::get_if<Relu>(&f.op)) {
      EXPECT_EQ(derivative_of(f.op, 0), 1);
      EXPECT_EQ(derivative_of(f.op, -1e-300), relu->negative_slope);
    }
  }
  EXPECT_FALSE(elementwise(Operator(Dense{})));
  EXPECT_FALSE(elementwise(Operator(Input{})));
  EXPECT_THROW(
      {
        const double zero = 0;
        make_lines<double>(Operator(Dense{}), 1, 1, &zero, &zero, Slope::kZero);
      },
      Error);
}

}  // namespace
}  // namespace coronet::bound
