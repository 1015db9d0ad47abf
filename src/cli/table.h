// Columns of text.
#pragma once

#include <string>
#include <vector>

namespace coronet::cli {

/// A table for a terminal: columns as wide as their widest entry, numbers to the right.
class Table {
 public:
  /// A title that begins with '>' is of a column of numbers.
  explicit Table(std::vector<std::string> titles);
  void row(std::vector<std::string> cells);
  [[nodiscard]] std::string text() const;

 private:
  std::vector<std::vector<std::string>> rows_;
  std::vector<char> right_;
};

/// "[1,3,32,32]"
std::string shape_words(const std::vector<long long>& shape);

}  // namespace coronet::cli
