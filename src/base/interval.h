// Numbers known to lie between two doubles, and arithmetic on them that is exact where doubles are:
// an interval widens only where an operation rounds.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

namespace coronet {

/// Runs `work` with results of floating-point operations rounded upwards, as Interval needs it.
/// Throws Error(kInternal) where the machine does not round so. Files with arithmetic on intervals
/// are compiled with -frounding-math.
void rounded_upward(const std::function<void()>& work);

/// [lower, upper]. The lower end is kept negated: rounded upwards, both ends move outwards. An end
/// that overflows is infinite; where a sum or product of such is not a number, the end is NaN.
class Interval {
 public:
  Interval() = default;
  /// A double is exact.
  Interval(double x) : minus_lower_(-x), upper_(x) {}  // NOLINT(google-explicit-constructor)
  Interval(double lower, double upper) : minus_lower_(-lower), upper_(upper) {}
  static Interval whole() {
    constexpr double kInf = std::numeric_limits<double>::infinity();
    return {-kInf, kInf};
  }

  [[nodiscard]] double lower() const { return -minus_lower_; }
  [[nodiscard]] double upper() const { return upper_; }
  [[nodiscard]] bool exact() const { return -minus_lower_ == upper_; }
  [[nodiscard]] bool finite() const { return std::isfinite(minus_lower_) && std::isfinite(upper_); }

  // Inlined always, so that every file has them by its own flags.
  [[gnu::always_inline]] friend Interval operator-(Interval a) {
    return made(a.upper_, a.minus_lower_);
  }
  [[gnu::always_inline]] friend Interval operator+(Interval a, Interval b) {
    return made(a.minus_lower_ + b.minus_lower_, a.upper_ + b.upper_);
  }
  [[gnu::always_inline]] friend Interval operator-(Interval a, Interval b) { return a + -b; }
  [[gnu::always_inline]] friend Interval operator*(Interval a, Interval b) {
    if (a.exact()) return times(a.upper_, b);
    if (b.exact()) return times(b.upper_, a);
    const double l = a.lower();
    const double m = b.lower();
    // -(l * m) is not l * -m when rounded: each product is formed with the sign that it needs.
    return made(
        std::max(std::max(a.minus_lower_ * m, a.minus_lower_ * b.upper_),
                 std::max(b.minus_lower_ * a.upper_, -a.upper_ * b.upper_)),
        std::max(std::max(l * m, l * b.upper_), std::max(a.upper_ * m, a.upper_ * b.upper_)));
  }
  [[gnu::always_inline]] friend Interval operator/(Interval a, Interval b) {
    const double m = b.lower();
    if (!(m > 0 || b.upper_ < 0)) return whole();
    const double l = a.lower();
    return made(
        std::max(std::max(a.minus_lower_ / m, a.minus_lower_ / b.upper_),
                 std::max(-a.upper_ / m, -a.upper_ / b.upper_)),
        std::max(std::max(l / m, l / b.upper_), std::max(a.upper_ / m, a.upper_ / b.upper_)));
  }
  Interval& operator+=(Interval b) { return *this = *this + b; }
  Interval& operator*=(Interval b) { return *this = *this * b; }
  Interval& operator/=(Interval b) { return *this = *this / b; }

  friend Interval max(Interval a, Interval b) {
    return made(std::min(a.minus_lower_, b.minus_lower_), std::max(a.upper_, b.upper_));
  }
  friend Interval min(Interval a, Interval b) {
    return made(std::max(a.minus_lower_, b.minus_lower_), std::min(a.upper_, b.upper_));
  }

 private:
  static Interval made(double minus_lower, double upper) {
    Interval x;
    x.minus_lower_ = minus_lower;
    x.upper_ = upper;
    return x;
  }
  [[gnu::always_inline]] static Interval times(double w, Interval x) {
    return w >= 0 ? made(w * x.minus_lower_, w * x.upper_)
                  : made(-w * x.upper_, -w * x.minus_lower_);
  }

  double minus_lower_ = 0;
  double upper_ = 0;
};

/// Of a number that is not negative.
Interval sqrt(Interval x);
Interval exp(Interval x);
Interval tanh(Interval x);

}  // namespace coronet
