#include "device/blocks.h"

#include <algorithm>
#include <limits>

#include "device/pack.h"

namespace coronet::device {

namespace {

// Rows of A whose pointers are set up at a time.
constexpr int kBlockM = 192;
// Zeros that are cheaper to multiply than to begin another segment, whose C is loaded and stored.
constexpr int kGap = 4;
// Rows of M with different columns that may share a block.
constexpr int kShared = 24;
// Products in blocks for one entry of M, up to which they are faster than entry by entry.
constexpr double kMostProducts = 8;

struct Interval {
  int begin;
  int end;
};

// The columns of one row of M, as intervals.
std::vector<Interval> intervals_of(const SparseView& m, int row) {
  std::vector<Interval> out;
  for (auto e = m.row[row]; e < m.row[row + 1]; ++e) {
    const int c = m.column[e];
    if (!out.empty() && c <= out.back().end + kGap) {
      out.back().end = std::max(out.back().end, c + 1);
    } else {
      out.push_back({c, c + 1});
    }
  }
  return out;
}

std::vector<Interval> join(const std::vector<Interval>& a, const std::vector<Interval>& b) {
  std::vector<Interval> out;
  std::size_t i = 0;
  std::size_t j = 0;
  while (i < a.size() || j < b.size()) {
    const bool first = j == b.size() || (i < a.size() && a[i].begin <= b[j].begin);
    const Interval next = first ? a[i++] : b[j++];
    if (!out.empty() && next.begin <= out.back().end + kGap) {
      out.back().end = std::max(out.back().end, next.end);
    } else {
      out.push_back(next);
    }
  }
  return out;
}

// Multiplications for one row of A, with those that a segment costs in passing.
double cost(const std::vector<Interval>& read, int rows, int panel) {
  int k = 0;
  for (const Interval& i : read) k += i.end - i.begin + kGap;
  return static_cast<double>(k) * static_cast<double>(padded_columns(rows, panel));
}

bool same_columns(const SparseView& m, int a, int b) {
  return m.row[a + 1] - m.row[a] == m.row[b + 1] - m.row[b] &&
         std::equal(m.column + m.row[a], m.column + m.row[a + 1], m.column + m.row[b]);
}

}  // namespace

SparseMatrix transposed(const SparseView& m) {
  SparseMatrix t;
  t.rows = m.columns;
  t.columns = m.rows;
  const auto entries = static_cast<std::size_t>(m.row[m.rows]);
  t.row.assign(static_cast<std::size_t>(m.columns) + 1, 0);
  for (std::size_t e = 0; e < entries; ++e) ++t.row[static_cast<std::size_t>(m.column[e]) + 1];
  for (std::size_t c = 1; c < t.row.size(); ++c) t.row[c] += t.row[c - 1];
  t.column.resize(entries);
  t.value.resize(entries);
  std::vector<std::int64_t> next = t.row;
  for (int r = 0; r < m.rows; ++r) {
    for (auto e = m.row[r]; e < m.row[r + 1]; ++e) {
      const auto to = static_cast<std::size_t>(next[static_cast<std::size_t>(m.column[e])]++);
      t.column[to] = r;
      t.value[to] = m.value[e];
    }
  }
  return t;
}

template <class T>
PackedBlocks<T>::PackedBlocks(const SparseView& m) : rows_(m.rows), columns_(m.columns) {
  // Runs of rows that read the same columns stay together; neighbouring runs share a block where
  // filling the vectors saves more than reading both runs' columns costs.
  std::vector<int> run;
  std::vector<std::vector<Interval>> read;
  for (int r = 0; r < m.rows; ++r) {
    if (r > 0 && same_columns(m, r - 1, r)) continue;
    run.push_back(r);
    read.push_back(intervals_of(m, r));
  }
  const int runs = static_cast<int>(run.size());
  run.push_back(m.rows);
  const int panel = gemm_table<T>().panel;
  std::vector<double> best(static_cast<std::size_t>(runs) + 1, 0.0);
  std::vector<int> from(static_cast<std::size_t>(runs) + 1, 0);
  for (int end = 1; end <= runs; ++end) {
    best[end] = std::numeric_limits<double>::infinity();
    std::vector<Interval> all;
    for (int begin = end - 1; begin >= std::max(0, end - kShared); --begin) {
      const int rows = run[end] - run[begin];
      if (begin < end - 1 && rows > panel) break;
      all = join(read[begin], all);
      const double total = best[begin] + cost(all, rows, panel);
      if (total < best[end]) {
        best[end] = total;
        from[end] = begin;
      }
    }
  }
  if (best[runs] > kMostProducts * static_cast<double>(m.row[m.rows])) return;
  for (int end = runs; end > 0; end = from[end]) {
    std::vector<Interval> all;
    for (int r = from[end]; r < end; ++r) all = join(all, read[r]);
    std::vector<Segment> segments;
    int k = 0;
    for (const Interval& i : all) {
      segments.push_back({i.begin, i.end - i.begin, k});
      k += i.end - i.begin;
    }
    add(m, run[from[end]], run[end], segments);
  }
  std::reverse(blocks_.begin(), blocks_.end());
}

template <class T>
void PackedBlocks<T>::add(const SparseView& m, int first, int last,
                          const std::vector<Segment>& segments) {
  const int n = last - first;
  const int k = segments.empty() ? 0 : segments.back().k + segments.back().length;
  Weight b;
  b.d.assign(static_cast<std::size_t>(k) * n, 0.0);
  for (int r = first; r < last; ++r) {
    auto s = segments.begin();
    for (auto e = m.row[r]; e < m.row[r + 1]; ++e) {
      while (m.column[e] >= s->from + s->length) ++s;
      b.d[static_cast<std::size_t>(s->k + m.column[e] - s->from) * n + (r - first)] += m.value[e];
    }
  }
  Block block;
  block.first = first;
  block.segments = segments;
  block.weights = PackedMatrix<T>(WeightView{b, 0, k, n, false});
  bytes_ += block.weights.bytes() + sizeof(Block) + block.segments.size() * sizeof(Segment);
  blocks_.push_back(std::move(block));
}

template <class T>
void PackedBlocks<T>::run(int m, const T* a, int begin, int end, T* c, bool accumulate) const {
  const T* pa[kBlockM];
  T* pc[kBlockM];
  for (int m0 = 0; m0 < m; m0 += kBlockM) {
    const int rows = std::min(kBlockM, m - m0);
    for (int i = 0; i < rows; ++i) {
      pa[i] = a + static_cast<std::size_t>(m0 + i) * columns_;
      pc[i] = c + static_cast<std::size_t>(m0 + i) * rows_;
    }
    for (const Block& b : blocks_) {
      kernels::GemmBlock<T> call;
      call.a = pa;
      call.c = pc;
      call.c_offset = static_cast<std::size_t>(b.first);
      call.columns = b.weights.n();
      call.load = accumulate;
      for (const Segment& s : b.segments) {
        const int last = std::min(s.from + s.length, end);
        for (int at = std::max(s.from, begin); at < last; at += kBlockK) {
          call.b = b.weights.panels();
          call.a_offset = static_cast<std::size_t>(at);
          call.length = std::min(kBlockK, last - at);
          run_panels(b.weights.kernel(), call, rows, static_cast<std::size_t>(b.weights.k()),
                     static_cast<std::size_t>(s.k + at - s.from), false);
          call.load = true;
        }
      }
      if (call.load) continue;
      for (int i = 0; i < rows; ++i) {
        std::fill_n(pc[i] + b.first, static_cast<std::size_t>(call.columns), T{});
      }
    }
  }
}

template class PackedBlocks<float>;
template class PackedBlocks<double>;

}  // namespace coronet::device
