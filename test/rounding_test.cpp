// Arithmetic on intervals.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "base/interval.h"
#include "base/rng.h"

namespace coronet {
namespace {

Interval upward(const std::function<Interval()>& work) {
  Interval result;
  rounded_upward([&] { result = work(); });
  return result;
}

/// The tightest interval about nearest + rest, given the sign of rest.
void expect_tight(Interval x, double nearest, double rest) {
  EXPECT_EQ(x.lower(), rest < 0 ? std::nextafter(nearest, -HUGE_VAL) : nearest);
  EXPECT_EQ(x.upper(), rest > 0 ? std::nextafter(nearest, HUGE_VAL) : nearest);
}

/// Numbers of all sizes, with many and with few digits.
double number(std::uint64_t i) {
  const double x = uniform(1, 0, i) * 2 - 1;
  const double few = std::ldexp(std::round(std::ldexp(x, 10)), -10);
  const int exponent = static_cast<int>(uniform_index(1, 1, i, 60)) - 30;
  return std::ldexp(uniform_index(1, 2, i, 2) == 0 ? x : few, exponent);
}

TEST(Rounding, OperationsOnPointsAreAsTightAsCanBe) {
  for (std::uint64_t i = 0; i < 20000; i += 2) {
    const double a = number(i);
    const double b = number(i + 1);
    SCOPED_TRACE(testing::Message() << std::hexfloat << a << " and " << b);
    const double sum = a + b;
    const double of_b = sum - a;
    expect_tight(upward([&] { return Interval(a) + Interval(b); }), sum,
                 (a - (sum - of_b)) + (b - of_b));
    const double difference = a - b;
    const double of_minus_b = difference - a;
    expect_tight(upward([&] { return Interval(a) - Interval(b); }), difference,
                 (a - (difference - of_minus_b)) + (-b - of_minus_b));
    const double product = a * b;
    expect_tight(upward([&] { return Interval(a) * Interval(b); }), product,
                 std::fma(a, b, -product));
    if (b != 0) {
      const double quotient = a / b;
      expect_tight(upward([&] { return Interval(a) / Interval(b); }), quotient,
                   std::fma(-quotient, b, a) / b);
    }
    const double root = std::sqrt(std::fabs(a));
    expect_tight(upward([&] { return sqrt(Interval(std::fabs(a))); }), root,
                 std::fma(-root, root, std::fabs(a)));
    if (testing::Test::HasFailure()) return;
  }
}

// Every combination of ends lies in the result.
TEST(Rounding, OperationsOnIntervalsHoldTheirEnds) {
  const auto holds = [](Interval x, long double v) {
    EXPECT_LE(static_cast<long double>(x.lower()), v);
    EXPECT_GE(static_cast<long double>(x.upper()), v);
  };
  for (std::uint64_t i = 0; i < 8000; i += 4) {
    const auto [al, au] = std::minmax({number(i), number(i + 1)});
    const auto [bl, bu] = std::minmax({number(i + 2), number(i + 3)});
    const Interval a(al, au);
    const Interval b(bl, bu);
    const bool zero = bl <= 0 && bu >= 0;
    const Interval product = upward([&] { return a * b; });
    const Interval quotient = upward([&] { return a / b; });
    const Interval sum = upward([&] { return a + b; });
    EXPECT_EQ(zero, !quotient.finite());
    EXPECT_EQ(max(a, b).lower(), std::max(al, bl));
    EXPECT_EQ(max(a, b).upper(), std::max(au, bu));
    EXPECT_EQ(min(a, b).lower(), std::min(al, bl));
    EXPECT_EQ(min(a, b).upper(), std::min(au, bu));
    EXPECT_EQ((-a).lower(), -au);
    for (const double x : {a.lower(), a.upper()}) {
      for (const double y : {b.lower(), b.upper()}) {
        SCOPED_TRACE(testing::Message() << x << " and " << y);
        // Rounding to a long double does not leave an interval between doubles.
        holds(upward([&] { return a - b; }), static_cast<long double>(x) - y);
        holds(sum, static_cast<long double>(x) + y);
        EXPECT_LE(std::fma(x, y, -product.upper()), 0);
        EXPECT_GE(std::fma(x, y, -product.lower()), 0);
        if (!zero) holds(quotient, static_cast<long double>(x) / y);
      }
    }
    if (testing::Test::HasFailure()) return;
  }
}

TEST(Rounding, FunctionsHoldTheirValues) {
  for (std::uint64_t i = 0; i < 4000; ++i) {
    const double x = number(i);
    const long double e = std::exp(static_cast<long double>(x));
    const long double t = std::tanh(static_cast<long double>(x));
    const Interval exps = upward([&] { return exp(Interval(x)); });
    const Interval tanhs = upward([&] { return tanh(Interval(x)); });
    EXPECT_LE(exps.lower(), e);
    EXPECT_GE(exps.upper(), e);
    EXPECT_LE(tanhs.lower(), t);
    EXPECT_GE(tanhs.upper(), t);
    EXPECT_LE(tanhs.upper() - tanhs.lower(), 1e-14);
  }
  EXPECT_EQ(upward([] { return exp(Interval(0.0)); }).upper(), 1);
  EXPECT_TRUE(upward([] { return tanh(Interval(0.0)); }).exact());
}

}  // namespace
}  // namespace coronet
