// Products with sparse matrices in blocks: one chain a number, whatever the instruction set.
#include "device/blocks.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "graphs.h"
#include "kernels/isa.h"

namespace coronet::device {
namespace {

template <class T>
class Blocks : public testing::Test {
 protected:
  ~Blocks() override { kernels::set_isa("best"); }
};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(Blocks, Types);

/// Neighbouring rows read overlapping windows of the columns, as pixels do; some rows read nothing.
SparseMatrix banded(test::Draw& draw, int rows, int columns) {
  SparseMatrix m;
  m.rows = rows;
  m.columns = columns;
  m.row.push_back(0);
  std::vector<std::int32_t> read;
  for (int r = 0; r < rows; ++r) {
    if (r == 0 || draw.whole(0, 3) == 0) {
      read.clear();
      const int width = draw.whole(0, std::min(columns, 40));
      for (int part = 0; part < 3 && width > 0; ++part) {
        const int first = draw.whole(0, columns - width);
        for (int c = first; c < first + width; ++c) {
          if (draw.whole(0, 4) > 0) read.push_back(c);
        }
      }
      std::sort(read.begin(), read.end());
      read.erase(std::unique(read.begin(), read.end()), read.end());
    }
    m.column.insert(m.column.end(), read.begin(), read.end());
    for (std::size_t i = 0; i < read.size(); ++i) m.value.push_back(draw.real(-1, 1));
    m.row.push_back(static_cast<std::int64_t>(m.column.size()));
  }
  return m;
}

template <class T>
std::vector<T> numbers(test::Draw& draw, std::size_t count) {
  std::vector<T> all(count);
  for (T& x : all) x = static_cast<T>(draw.real(-1, 1));
  return all;
}

TYPED_TEST(Blocks, OneChainOverTheColumns) {
  using T = TypeParam;
  test::Draw draw(3);
  int packed_ones = 0;
  for (int trial = 0; trial < 40; ++trial) {
    const int n = draw.whole(1, 90);
    const int k = draw.whole(1, 500);
    const int count = trial % 5 == 0 ? draw.whole(190, 210) : draw.whole(1, 30);
    const SparseMatrix m = banded(draw, n, k);
    const bool accumulate = trial % 2 == 1;
    const int begin = trial % 3 == 0 ? draw.whole(0, k) : 0;
    const int end = trial % 3 == 0 ? draw.whole(begin, k) : k;
    const auto a = numbers<T>(draw, static_cast<std::size_t>(count) * static_cast<std::size_t>(k));
    const auto before =
        numbers<T>(draw, static_cast<std::size_t>(count) * static_cast<std::size_t>(n));
    std::vector<T> expected = before;
    for (int r = 0; r < count; ++r) {
      for (int i = 0; i < n; ++i) {
        T& sum = expected[static_cast<std::size_t>(r * n + i)];
        if (!accumulate) sum = 0;
        for (auto e = static_cast<std::size_t>(m.row[static_cast<std::size_t>(i)]);
             e < static_cast<std::size_t>(m.row[static_cast<std::size_t>(i) + 1]); ++e) {
          const int c = m.column[e];
          if (c < begin || c >= end) continue;
          sum = std::fma(a[static_cast<std::size_t>(r * k + c)], static_cast<T>(m.value[e]), sum);
        }
      }
    }
    for (const char* isa : {"baseline", "avx2", "avx512"}) {
      if (!kernels::set_isa(isa)) continue;
      SCOPED_TRACE(testing::Message() << isa << " trial " << trial);
      const PackedBlocks<T> packed(m.view());
      if (packed.empty()) continue;
      ++packed_ones;
      std::vector<T> c = before;
      packed.run(count, a.data(), begin, end, c.data(), accumulate);
      ASSERT_EQ(c, expected);
    }
  }
  EXPECT_GT(packed_ones, 30);
}

// Sums over the pixels of each channel: in blocks they would be zeros but for one in 64.
TYPED_TEST(Blocks, NoneWhereEntriesAreFarApart) {
  SparseMatrix m;
  m.rows = 64;
  m.columns = 64 * 16;
  m.row.push_back(0);
  for (int channel = 0; channel < 64; ++channel) {
    for (int pixel = 0; pixel < 16; ++pixel) {
      m.column.push_back(pixel * 64 + channel);
      m.value.push_back(1);
    }
    m.row.push_back(static_cast<std::int64_t>(m.column.size()));
  }
  EXPECT_TRUE(PackedBlocks<TypeParam>(m.view()).empty());
}

TEST(Sparse, TransposedTwiceIsSorted) {
  SparseMatrix m{2, 5, {0, 3, 5}, {4, 0, 2, 3, 1}, {1, 2, 3, 4, 5}};
  const SparseMatrix t = transposed(m.view());
  EXPECT_EQ(t.row, (std::vector<std::int64_t>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(t.column, (std::vector<std::int32_t>{0, 1, 0, 1, 0}));
  EXPECT_EQ(t.value, (std::vector<double>{2, 5, 3, 4, 1}));
  const SparseMatrix again = transposed(t.view());
  EXPECT_EQ(again.row, m.row);
  EXPECT_EQ(again.column, (std::vector<std::int32_t>{0, 2, 4, 1, 3}));
  EXPECT_EQ(again.value, (std::vector<double>{2, 3, 1, 5, 4}));
}

}  // namespace
}  // namespace coronet::device
