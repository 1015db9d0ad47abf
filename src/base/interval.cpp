#include "base/interval.h"

#include <cfenv>

#include "base/error.h"

namespace coronet {

namespace {

/// The C library's exp and tanh are off by at most 3 units in the last place in any rounding mode
/// (glibc's manual, "Known Maximum Errors in Math Functions", and its own tests); this is more than
/// twice that.
constexpr double kLibrary = 0x1p-49;
constexpr double kTiny = 8 * std::numeric_limits<double>::denorm_min();

class Rounding {
 public:
  explicit Rounding(int mode) : before_(std::fegetround()) { std::fesetround(mode); }
  ~Rounding() { std::fesetround(before_); }
  Rounding(const Rounding&) = delete;
  Rounding& operator=(const Rounding&) = delete;

 private:
  int before_;
};

bool rounds_upward() {
  volatile double one = 1;
  volatile double little = 0x1p-70;
  return one + little > 1 && -one - little == -1;
}

double above(double x) { return x + std::fabs(x) * kLibrary + kTiny; }
/// The negative of a number below x.
double minus_below(double x) { return -x + std::fabs(x) * kLibrary + kTiny; }

}  // namespace

void rounded_upward(const std::function<void()>& work) {
  const Rounding rounding(FE_UPWARD);
  if (!rounds_upward()) {
    throw Error(ErrorKind::kInternal, "floating-point results cannot be rounded upwards here");
  }
  work();
}

Interval sqrt(Interval x) {
  const double upper = std::sqrt(x.upper());
  double lower = x.exact() ? upper : std::sqrt(x.lower());
  const Interval square = Interval(lower) * Interval(lower);
  if (!(square.exact() && square.upper() == x.lower())) lower = std::nextafter(lower, 0.0);
  return {lower, upper};
}

Interval exp(Interval x) {
  if (x.exact() && x.upper() == 0) return 1.0;
  return {std::max(0.0, -minus_below(std::exp(x.lower()))), above(std::exp(x.upper()))};
}

Interval tanh(Interval x) {
  if (x.exact() && x.upper() == 0) return x;
  return {std::max(-1.0, -minus_below(std::tanh(x.lower()))),
          std::min(1.0, above(std::tanh(x.upper())))};
}

}  // namespace coronet
