#include "cli/table.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

namespace coronet::cli {

namespace {

constexpr std::size_t kWidest = 48;

/// Names come from files: control characters would move the terminal's cursor.
std::string printable(std::string cell) {
  for (char& c : cell) {
    if (static_cast<unsigned char>(c) < ' ' || c == '\x7f') c = '?';
  }
  return cell;
}

}  // namespace

Table::Table(std::vector<std::string> titles) {
  for (std::string& title : titles) {
    right_.push_back(title.starts_with(">") ? 1 : 0);
    if (right_.back() != 0) title.erase(0, 1);
  }
  rows_.push_back(std::move(titles));
}

void Table::row(std::vector<std::string> cells) {
  std::transform(cells.begin(), cells.end(), cells.begin(), printable);
  rows_.push_back(std::move(cells));
}

std::string Table::text() const {
  std::vector<std::size_t> width(right_.size(), 0);
  for (const auto& row : rows_) {
    for (std::size_t c = 0; c < width.size(); ++c) {
      width[c] = std::max(width[c], std::min(row[c].size(), kWidest));
    }
  }
  std::string text;
  for (const auto& row : rows_) {
    std::string line;
    for (std::size_t c = 0; c < width.size(); ++c) {
      const std::string gap = c > 0 ? "  " : "";
      line += right_[c] != 0 ? fmt::format("{}{:>{}}", gap, row[c], width[c])
                             : fmt::format("{}{:<{}}", gap, row[c], width[c]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

std::string shape_words(const std::vector<long long>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ","));
}

}  // namespace coronet::cli
