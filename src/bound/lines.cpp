#include "bound/lines.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.h"

namespace coronet::bound {

namespace {

struct LinePair {
  double sl, tl, su, tu;
  bool free;
};

double sigmoid(double z) {
  if (z >= 0) return 1 / (1 + std::exp(-z));
  const double e = std::exp(z);
  return e / (1 + e);
}

/// Slack of an intercept: a few roundings of numbers of the size of s z and f(z). exp and tanh of
/// the C library are within 2 units in the last place; 16 leaves room for the operations around
/// them.
double slack(double s, double z, double f) {
  return 16 * kUnit * (std::fabs(s * z) + std::fabs(f) + 0x1p-1000);
}

LinePair relu_lines(const Relu& op, double l, double u, Slope slope) {
  const double a = op.negative_slope;
  if (l >= 0) return {1, 0, 1, 0, false};
  if (u <= 0) return {a, 0, a, 0, false};
  LinePair p{};
  p.free = true;
  p.su = std::clamp((u - a * l) / (u - l), a, 1.0);
  // Convex: f - su z is largest at an end of [l, u], whatever su is.
  p.tu = std::max((a - p.su) * l, (1 - p.su) * u);
  p.tu = up(p.tu + 4 * kUnit * (std::fabs(l) + u));
  switch (slope) {
    case Slope::kAdaptive:
      p.sl = u > -l ? 1 : a;
      break;
    case Slope::kParallel:
      p.sl = p.su;
      break;
    case Slope::kZero:
      p.sl = a;
      break;
  }
  return p;
}

/// An S-shaped function: convex below 0, concave above, f' symmetric about 0 with its maximum
/// there.
struct SShape {
  double (*f)(double);
  double (*df)(double);
  /// z >= 0 with f'(z) = s, for 0 < s <= f'(0)
  double (*at_slope)(double);
};

double sigmoid_df(double z) {
  const double f = sigmoid(z);
  return f * (1 - f);
}
double sigmoid_at(double s) {
  const double root = std::sqrt(std::max(0.0, 1 - 4 * s));
  const double f = (1 + root) / 2;
  return f >= 1 ? 745 : std::log(f / (1 - f));
}
double tanh_f(double z) { return std::tanh(z); }
double tanh_df(double z) {
  const double t = std::tanh(z);
  return 1 - t * t;
}
double tanh_at(double s) {
  const double t = std::sqrt(std::max(0.0, 1 - s));
  return t >= 1 ? 373 : std::atanh(t);
}

/// min and max of f(z) - s z over [l, u], widened by the roundings: for ANY s >= 0 the two
/// intercepts are sound.
void intercepts(const SShape& g, double s, double l, double u, double* low, double* high) {
  std::array<double, 4> z = {l, u, l, u};
  int n = 2;
  if (s > 0 && s < g.df(0)) {
    // Where f' = s the difference is stationary, so an error of z there counts only squared.
    const double d = g.at_slope(s);
    if (d > l && d < u) z[n++] = d;
    if (-d > l && -d < u) z[n++] = -d;
  }
  *low = HUGE_VAL;
  *high = -HUGE_VAL;
  for (int i = 0; i < n; ++i) {
    const double f = g.f(z[i]);
    const double v = f - s * z[i];
    // 1e-12 covers an error of 1e-6 in an interior z, squared, and stationary points lost to
    // cancellation at tiny slopes.
    const double e = slack(s, z[i], f) + 1e-12;
    *low = std::min(*low, v - e);
    *high = std::max(*high, v + e);
  }
}

/// The point d in [0, far] whose tangent passes through (p, f(p)), p <= 0: found by bisection; any
/// result is sound.
double tangent_from(const SShape& g, double p, double far) {
  double a = 0;
  double b = far;
  for (int i = 0; i < 60; ++i) {
    const double d = (a + b) / 2;
    // The tangent at d, seen at p: above f(p) means that d is beyond the touching point.
    if (g.f(d) + g.df(d) * (p - d) >= g.f(p)) {
      b = d;
    } else {
      a = d;
    }
  }
  return b;
}

LinePair s_lines(const SShape& g, double l, double u) {
  LinePair p{};
  if (!std::isfinite(l) || !std::isfinite(u)) {
    // Level lines at the ends' values: f is monotone, and no line rises over an endless interval.
    const double low = g.f(l >= -HUGE_VAL ? l : -HUGE_VAL);
    const double high = g.f(u <= HUGE_VAL ? u : HUGE_VAL);
    p.tl = low - slack(0, 0, low);
    p.tu = high + slack(0, 0, high);
    return p;
  }
  const double chord =
      u - l > 1e-9 ? std::max(0.0, (g.f(u) - g.f(l)) / (u - l)) : g.df((l + u) / 2);
  const double middle = g.df((l + u) / 2);
  if (l >= 0) {  // concave: chord below, tangent above
    p.sl = chord;
    p.su = middle;
  } else if (u <= 0) {
    p.sl = middle;
    p.su = chord;
  } else {
    // Above: the tangent from the lower end, unless it would touch beyond u, then the chord. Below:
    // mirrored.
    const double above = tangent_from(g, l, std::max(u, 1e-3));
    p.su = above < u ? g.df(above) : chord;
    const double below = tangent_from(g, -u, std::max(-l, 1e-3));
    p.sl = below < -l ? g.df(below) : chord;
    // f is odd about (0, f(0)), so the mirrored tangent has the same slope.
  }
  double ignore = 0;
  intercepts(g, p.sl, l, u, &p.tl, &ignore);
  intercepts(g, p.su, l, u, &ignore, &p.tu);
  return p;
}

constexpr SShape kTanh{tanh_f, tanh_df, tanh_at};

struct LineMaker {
  double l, u;
  Slope slope;
  LinePair operator()(const Relu& op) const { return relu_lines(op, l, u, slope); }
  LinePair operator()(const Sigmoid&) const {
    // tangent_from assumes f(0) = 0 symmetry only through differences, so the plain sigmoid serves:
    // below is mirrored at 1/2.
    constexpr SShape centred{[](double z) { return sigmoid(z) - 0.5; }, sigmoid_df, sigmoid_at};
    LinePair p = s_lines(centred, l, u);
    p.tl += 0.5 - 2 * kUnit;
    p.tu += 0.5 + 2 * kUnit;
    return p;
  }
  LinePair operator()(const Tanh&) const { return s_lines(kTanh, l, u); }
  template <class Other>
  LinePair operator()(const Other&) const {
    throw Error(ErrorKind::kInternal, "lines of a node that is not elementwise");
  }
};

}  // namespace

Slope slope_of(const std::string& name) {
  if (name == "adaptive") return Slope::kAdaptive;
  if (name == "parallel") return Slope::kParallel;
  if (name == "zero") return Slope::kZero;
  throw Error(ErrorKind::kBadInput, "unknown slope '" + name + "': use adaptive, parallel or zero");
}

bool elementwise(const Operator& op) {
  return std::holds_alternative<Relu>(op) || std::holds_alternative<Sigmoid>(op) ||
         std::holds_alternative<Tanh>(op);
}

template <class T>
Lines<T> make_lines(const Operator& op, int size, int domains, const double* lo, const double* hi,
                    Slope slope) {
  Lines<T> lines;
  lines.size = size;
  const std::size_t n = static_cast<std::size_t>(size) * domains;
  for (auto* v : {&lines.sl, &lines.tl, &lines.su, &lines.tu, &lines.free}) v->resize(n);
  if (const Relu* relu = std::get_if<Relu>(&op)) {
    lines.relu = true;
    lines.floor = static_cast<T>(relu->negative_slope);
    if (lines.floor < relu->negative_slope) lines.floor = std::nextafter(lines.floor, T(1));
  }
  for (std::size_t i = 0; i < n; ++i) {
    const LinePair p = std::visit(LineMaker{lo[i], hi[i], slope}, op);
    lines.sl[i] = static_cast<T>(p.sl);
    if (lines.relu && lines.sl[i] < lines.floor) lines.sl[i] = lines.floor;
    lines.tl[i] = static_cast<T>(p.tl);
    lines.su[i] = static_cast<T>(p.su);
    lines.tu[i] = static_cast<T>(p.tu);
    lines.free[i] = p.free ? T(1) : T(0);
  }
  return lines;
}

template Lines<float> make_lines(const Operator&, int, int, const double*, const double*, Slope);
template Lines<double> make_lines(const Operator&, int, int, const double*, const double*, Slope);

double value_of(const Operator& op, double z) {
  if (const Relu* r = std::get_if<Relu>(&op)) {
    if (z > 0) return z;
    return r->negative_slope == 0 && z <= 0 ? 0 : r->negative_slope * z;  // 0 * -infinity is none
  }
  if (std::holds_alternative<Sigmoid>(op)) return sigmoid(z);
  return std::tanh(z);
}

double derivative_of(const Operator& op, double z) {
  if (const Relu* r = std::get_if<Relu>(&op)) return z >= 0 ? 1 : r->negative_slope;
  if (std::holds_alternative<Sigmoid>(op)) return sigmoid_df(z);
  return tanh_df(z);
}

void image_of(const Operator& op, double lo, double hi, double* out_lo, double* out_hi) {
  if (!(lo <= hi)) {  // not a number: nothing is known
    lo = -HUGE_VAL;
    hi = HUGE_VAL;
  }
  // All three are monotone. ReLU with slope 0 is exact; the others widen by the library's error.
  *out_lo = value_of(op, lo);
  *out_hi = value_of(op, hi);
  const Relu* relu = std::get_if<Relu>(&op);
  if (relu != nullptr && relu->negative_slope == 0) return;
  *out_lo -= slack(0, 0, *out_lo);
  *out_hi += slack(0, 0, *out_hi);
}

}  // namespace coronet::bound
