// Decimal numbers as a query writes them: added and multiplied without rounding while 128 bits
// suffice.
#pragma once

#include <optional>
#include <string_view>

namespace coronet {

/// A number mantissa * 10^exponent. Where 128 bits do not suffice it becomes a long double and says
/// so (see `rounds_right`).
class Decimal {
 public:
  Decimal() = default;
  explicit Decimal(int value) : mantissa_(value) {}

  /// Reads an optional sign, digits with an optional point, an optional exponent. Returns what is
  /// wrong, or "" and `value`.
  static std::string_view parse(std::string_view text, Decimal& value);

  /// a / b where that is a decimal of at most 38 digits.
  static std::optional<Decimal> quotient(const Decimal& a, const Decimal& b);

  friend Decimal operator+(const Decimal& a, const Decimal& b);
  friend Decimal operator*(const Decimal& a, const Decimal& b);
  Decimal operator-() const;

  /// The nearest double (infinite on overflow) if `rounds_right`, else a double near it.
  [[nodiscard]] double to_double() const;
  [[nodiscard]] long double to_long_double() const;

  /// Whether `to_double` is the double nearest to the number meant.
  [[nodiscard]] bool rounds_right() const { return exact_ || literal_; }
  /// -1, 0 or 1; nothing where rounding may have changed it.
  [[nodiscard]] std::optional<int> sign() const;
  [[nodiscard]] bool is_zero() const { return exact_ && mantissa_ == 0; }
  /// Whether it is exactly 1 or -1.
  [[nodiscard]] bool is_unit() const {
    return exact_ && exponent_ == 0 && (mantissa_ == 1 || mantissa_ == -1);
  }

 private:
  __extension__ using Integer = __int128;

  static Decimal rounded(long double value);

  Integer mantissa_ = 0;
  int exponent_ = 0;
  bool exact_ = true;     ///< mantissa_ and exponent_ are the number; else approximate_ is near it
  bool literal_ = false;  ///< as read: nearest_ is known
  double nearest_ = 0;
  long double approximate_ = 0;
};

}  // namespace coronet
