// Decimal numbers as a query writes them.
#include "spec/decimal.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>

namespace coronet {
namespace {

TEST(Decimal, ReadsLikeStrtod) {
  for (const char* text :
       {"0", "-0", "0.1", "1e22", "1e23", "123456789012345678", "5e-324", "1e-400",
        "2.2250738585072014e-308", "1.7976931348623157e308", "0e999", "3.", ".25",
        "-0.1000000000000000055511151231257827021181583404541015625",
        "0.000000000000000000000000000000000000000000000001",
        "100000000000000000000000000000000000000000000000000.5"}) {
    Decimal value;
    EXPECT_EQ(Decimal::parse(text, value), "") << text;
    EXPECT_EQ(value.to_double(), std::strtod(text, nullptr)) << text;
    EXPECT_TRUE(value.rounds_right()) << text;
  }
  for (const char* text :
       {"", "-", ".", "e5", "1e", "1e+", "1 ", " 1", "1.2.3", "0x1", "1e400", "-1e309",
        "1e99999999999999999999", "1e-99999999999999999999", "1f", "--1", "+-1"}) {
    Decimal value;
    EXPECT_NE(Decimal::parse(text, value), "") << text;
  }
}

TEST(Decimal, ArithmeticIsExactAndRoundsOnce) {
  const auto decimal = [](const char* text) {
    Decimal value;
    EXPECT_EQ(Decimal::parse(text, value), "");
    return value;
  };
  EXPECT_EQ((decimal("0.1") + decimal("0.2")).to_double(), 0.3);
  EXPECT_TRUE((decimal("0.1") + decimal("0.2") + decimal("-0.3")).is_zero());
  EXPECT_EQ((decimal("1.1") * decimal("1.1")).to_double(), 1.21);
  EXPECT_EQ((decimal("1e200") * decimal("1e200")).to_double(), INFINITY);
  EXPECT_EQ((decimal("1e-200") * decimal("1e-200")).to_double(), 0.0);
  EXPECT_EQ(Decimal::quotient(decimal("0.3"), decimal("0.2"))->to_double(), 1.5);
  EXPECT_FALSE(Decimal::quotient(decimal("1"), decimal("3")).has_value());
  // Beyond 128 bits: near, and it says so.
  const Decimal wide = decimal("1e30") + decimal("1e-30");
  EXPECT_FALSE(wide.rounds_right());
  EXPECT_FALSE(wide.sign().has_value());
  EXPECT_EQ(wide.to_double(), 1e30);
}

}  // namespace
}  // namespace coronet
