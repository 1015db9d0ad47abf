// Which rows and columns of a weight are meant.
#pragma once

#include <cstddef>
#include <memory>
#include <numeric>
#include <vector>

namespace coronet::cuda {

/// Entries of a list, each once; null: all of them, in their own order.
using Entries = std::shared_ptr<const std::vector<int>>;

/// These rows and columns of a weight, in this order.
struct Part {
  Entries rows;
  Entries cols;
};

inline int length(const Entries& list, int all) {
  return list ? static_cast<int>(list->size()) : all;
}

inline std::vector<int> entries(const Entries& list, int all) {
  if (list) return *list;
  std::vector<int> every(static_cast<std::size_t>(all));
  std::iota(every.begin(), every.end(), 0);
  return every;
}

/// The elements that remain of a node of so many; null where all do (their order is their own
/// then).
inline Entries remaining(const std::vector<int>& kept, int size) {
  if (kept.size() == static_cast<std::size_t>(size)) return nullptr;
  return std::make_shared<const std::vector<int>>(kept);
}

inline bool same(const Entries& a, const Entries& b) { return a == b || (a && b && *a == *b); }
inline bool same_part(const Part& a, const Part& b) {
  return same(a.rows, b.rows) && same(a.cols, b.cols);
}

/// Where the entries of `part` stand among those of `whole`; empty where some are missing.
inline std::vector<int> places(const Entries& whole, const Entries& part, int all) {
  std::vector<int> place(all, -1);
  for (int i = 0; i < length(whole, all); ++i) place[whole ? (*whole)[i] : i] = i;
  std::vector<int> to;
  to.reserve(length(part, all));
  for (int i = 0; i < length(part, all); ++i) {
    const int at = place[part ? (*part)[i] : i];
    if (at < 0) return {};
    to.push_back(at);
  }
  return to;
}

/// What a device holds of a part of a weight [rows, cols]: float32, and also double where it is
/// `wide`: where float32 does not hold it exactly.
inline std::size_t part_bytes(const Part& part, int rows, int cols, bool wide) {
  return static_cast<std::size_t>(length(part.rows, rows)) * length(part.cols, cols) *
         (sizeof(float) + (wide ? sizeof(double) : 0));
}

}  // namespace coronet::cuda
