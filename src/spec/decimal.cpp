#include "spec/decimal.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <iterator>
#include <limits>

namespace coronet {
namespace {

// 10^37 < 2^127: so many digits always fit.
constexpr int kMostDigits = 37;
// Far outside the doubles, far inside int.
constexpr int kMostExponent = 10'000;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

long double scaled(long double mantissa, int exponent) {
  return exponent < 0 ? mantissa / std::pow(10.0L, static_cast<long double>(-exponent))
                      : mantissa * std::pow(10.0L, static_cast<long double>(exponent));
}

}  // namespace

std::string_view Decimal::parse(std::string_view text, Decimal& value) {
  std::size_t at = 0;
  const bool negative = !text.empty() && text[0] == '-';
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) ++at;
  const std::size_t unsigned_at = at;

  Integer mantissa = 0;
  int digits = 0;         // digits of the mantissa
  long long skipped = 0;  // digits read after the mantissa's last one: zeros, or what did not fit
  long long exponent = 0;
  bool exact = true;
  bool any = false;
  bool point = false;
  for (; at < text.size() && (is_digit(text[at]) || (text[at] == '.' && !point)); ++at) {
    if (text[at] == '.') {
      point = true;
      continue;
    }
    any = true;
    if (point) --exponent;
    const int digit = text[at] - '0';
    if (mantissa == 0 && digit == 0) continue;
    ++skipped;
    if (digit == 0) continue;
    if (!exact || digits + skipped > kMostDigits) {
      exact = false;
      continue;
    }
    digits += static_cast<int>(skipped);
    for (; skipped > 0; --skipped) mantissa *= 10;
    mantissa += digit;
  }
  if (!any) return "not a number";
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    const bool down = at < text.size() && text[at] == '-';
    if (at < text.size() && (text[at] == '-' || text[at] == '+')) ++at;
    if (at == text.size() || !is_digit(text[at])) return "not a number";
    long long power = 0;
    for (; at < text.size() && is_digit(text[at]); ++at) {
      if (power < 1'000'000'000) power = power * 10 + (text[at] - '0');
    }
    exponent += down ? -power : power;
  }
  if (at != text.size()) return "not a number";

  value = Decimal();
  value.literal_ = true;
  if (mantissa == 0) return {};
  exponent += skipped;
  if (exponent + digits > kMostExponent) return "number overflows a double";
  if (exponent < -kMostExponent) return "number has too small an exponent";
  value.exponent_ = static_cast<int>(exponent);
  value.mantissa_ = negative ? -mantissa : mantissa;
  value.exact_ = exact;
  value.approximate_ = scaled(static_cast<long double>(value.mantissa_), value.exponent_);
  double nearest = 0;
  const auto [end, error] =
      std::from_chars(text.data() + unsigned_at, text.data() + text.size(), nearest);
  if (error == std::errc::result_out_of_range) {
    if (exponent + digits > 0) return "number overflows a double";
    nearest = 0;
  }
  if (!std::isfinite(nearest)) return "number overflows a double";
  value.nearest_ = negative ? -nearest : nearest;
  return {};
}

Decimal Decimal::rounded(long double value) {
  Decimal result;
  result.exact_ = false;
  result.approximate_ = value;
  return result;
}

long double Decimal::to_long_double() const {
  return exact_ ? scaled(static_cast<long double>(mantissa_), exponent_) : approximate_;
}

double Decimal::to_double() const {
  if (literal_) return nearest_;
  if (!exact_) return static_cast<double>(approximate_);
  fmt::memory_buffer text;
  fmt::format_to(std::back_inserter(text), "{}e{}", mantissa_, exponent_);
  double value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  if (result.ec != std::errc::result_out_of_range) return value;
  const bool large = std::abs(to_long_double()) > 1;
  return large ? std::numeric_limits<double>::infinity() : 0.0;
}

std::optional<int> Decimal::sign() const {
  if (exact_) return mantissa_ < 0 ? -1 : mantissa_ > 0 ? 1 : 0;
  if (literal_ && nearest_ != 0) return nearest_ < 0 ? -1 : 1;
  return std::nullopt;
}

Decimal Decimal::operator-() const {
  Decimal result = *this;
  result.mantissa_ = -mantissa_;
  result.nearest_ = -nearest_;
  result.approximate_ = -approximate_;
  return result;
}

Decimal operator+(const Decimal& a, const Decimal& b) {
  if (a.is_zero()) return b;
  if (b.is_zero()) return a;
  if (a.exact_ && b.exact_) {
    const Decimal& high = a.exponent_ >= b.exponent_ ? a : b;
    const Decimal& low = a.exponent_ >= b.exponent_ ? b : a;
    int gap = high.exponent_ - low.exponent_;
    Decimal sum;
    sum.exponent_ = low.exponent_;
    Decimal::Integer shifted = high.mantissa_;
    bool fits = gap <= kMostDigits + 1;
    for (; fits && gap > 0; --gap) fits = !__builtin_mul_overflow(shifted, 10, &shifted);
    if (fits && !__builtin_add_overflow(shifted, low.mantissa_, &sum.mantissa_)) {
      if (sum.mantissa_ == 0) sum.exponent_ = 0;
      return sum;
    }
  }
  return Decimal::rounded(a.to_long_double() + b.to_long_double());
}

Decimal operator*(const Decimal& a, const Decimal& b) {
  if (a.is_zero() || b.is_zero()) return Decimal();
  if (a.is_unit()) return a.mantissa_ > 0 ? b : -b;
  if (b.is_unit()) return b.mantissa_ > 0 ? a : -a;
  if (a.exact_ && b.exact_) {
    Decimal product;
    product.exponent_ = a.exponent_ + b.exponent_;
    if (std::abs(product.exponent_) <= 2 * kMostExponent &&
        !__builtin_mul_overflow(a.mantissa_, b.mantissa_, &product.mantissa_)) {
      return product;
    }
  }
  return Decimal::rounded(a.to_long_double() * b.to_long_double());
}

std::optional<Decimal> Decimal::quotient(const Decimal& a, const Decimal& b) {
  if (!a.exact_ || !b.exact_ || b.mantissa_ == 0) return std::nullopt;
  if (b.is_unit()) return b.mantissa_ > 0 ? a : -a;
  Decimal result;
  result.exponent_ = a.exponent_ - b.exponent_;
  Integer dividend = a.mantissa_;
  for (int digits = 0; digits <= kMostDigits; ++digits) {
    if (dividend % b.mantissa_ == 0) {
      result.mantissa_ = dividend / b.mantissa_;
      if (result.mantissa_ == 0) result.exponent_ = 0;
      return result;
    }
    if (__builtin_mul_overflow(dividend, 10, &dividend)) return std::nullopt;
    --result.exponent_;
  }
  return std::nullopt;
}

}  // namespace coronet
