// A counterexample in the form of its query's version.
#include "io/counterexample.h"

#include <gtest/gtest.h>

#include <charconv>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "base/error.h"

namespace coronet {
namespace {

Property property(int major) {
  Property result;
  result.inputs = 2;
  result.outputs = 1;
  result.vnnlib_major = major;
  result.network = "net";
  result.input = {"A", "float32", {1, 2}};
  result.output = {"S", "float32", {}};
  return result;
}

TEST(Counterexample, CompetitionFormFor1) {
  EXPECT_EQ(format_counterexample(property(1), {{0.5, -2}, {1e-06}}),
            "((X_0 0.5)\n(X_1 -2.0)\n(Y_0 1e-06))\n");
}

TEST(Counterexample, AssignmentFor2) {
  EXPECT_EQ(format_counterexample(property(2), {{0.5, 3}, {1.25}}),
            "A float32 [1,2]\n0.5\n3.0\nS float32 []\n1.25\n");
}

TEST(Counterexample, EveryValueReadsBackAsFloatAndAsDouble) {
  const std::vector<float> values = {0.1F,
                                     -1.0F / 3,
                                     std::numeric_limits<float>::denorm_min(),
                                     std::numeric_limits<float>::max(),
                                     16777217.0F,
                                     std::nextafter(1.0F, 2.0F),
                                     1e20F};
  for (const float value : values) {
    Property one = property(2);
    one.inputs = 1;
    const double exact = std::nextafter(static_cast<double>(value), 0.0);
    const std::string text = format_counterexample(one, {{static_cast<double>(value)}, {exact}});
    const std::string input =
        text.substr(text.find('\n') + 1, text.find("\nS") - text.find('\n') - 1);
    const std::string output = text.substr(text.find("[]\n") + 3);
    float as_float = 0;
    double as_double = 0;
    std::from_chars(input.data(), input.data() + input.size(), as_float);
    EXPECT_EQ(as_float, value) << input;
    std::from_chars(input.data(), input.data() + input.size(), as_double);
    EXPECT_EQ(as_double, static_cast<double>(value)) << input;
    std::from_chars(output.data(), output.data() + output.size(), as_double);
    EXPECT_EQ(as_double, exact) << output;
  }
}

TEST(Counterexample, WrongSizesAreAnInternalError) {
  try {
    format_counterexample(property(1), {{0.5}, {1}});
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kInternal);
  }
}

}  // namespace
}  // namespace coronet
