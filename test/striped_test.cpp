// How weights are cut for devices: every byte is one rank's, and the tiles are those of any number
// of ranks.
#include "cuda/striped.h"

#include <gtest/gtest.h>

#include <vector>

namespace coronet::cuda {
namespace {

struct Case {
  int rows;
  int cols;
  std::size_t each;
};

std::vector<Case> cases() {
  return {{0, 5, 4},         {1, 1, 4},      {1, 50'000'000, 4}, {7, 3, 8},       {601, 601, 4},
          {601, 601, 8},     {4096, 784, 4}, {4096, 4096, 4},    {16384, 784, 4}, {16384, 16384, 4},
          {32768, 32768, 4}, {5, 70'001, 8}, {10, 32768, 4},     {333, 4097, 8}};
}

TEST(Striped, EveryByteIsOneRanks) {
  for (const Case& c : cases()) {
    const Striped one(c.rows, c.cols, c.each, 1);
    for (const int ranks : {1, 2, 3, 4, 8, 13}) {
      SCOPED_TRACE(testing::Message() << c.rows << " x " << c.cols << ", " << ranks << " ranks");
      const Striped cut(c.rows, c.cols, c.each, ranks);
      ASSERT_EQ(cut.tiles(), one.tiles());
      std::vector<std::size_t> held(ranks, 0);  // where the next stripe may begin
      std::size_t bytes = 0;
      int rows = 0;
      for (int t = 0; t < cut.tiles(); ++t) {
        ASSERT_EQ(cut.first(t), rows);
        ASSERT_EQ(cut.count(t), one.count(t));
        ASSERT_GT(cut.count(t), 0);
        ASSERT_EQ(cut.begin(t), bytes);
        ASSERT_LE(cut.bytes(t), cut.most_bytes());
        std::size_t next = 0;
        for (int r = 0; r < ranks; ++r) {
          const auto [first, last] = cut.stripe(t, r);
          ASSERT_EQ(first, next);
          ASSERT_GE(last, first);
          ASSERT_EQ(first % c.each, 0U);
          next = last;
          ASSERT_GE(cut.place(t, r), held[r]);
          held[r] = cut.place(t, r) + (last - first);
        }
        ASSERT_EQ(next, cut.bytes(t));
        bytes += cut.bytes(t);
        rows += cut.count(t);
      }
      ASSERT_EQ(rows, c.rows);
      for (int r = 0; r < ranks; ++r) {
        const std::size_t all = cut.place(cut.tiles(), r);
        EXPECT_GE(all, held[r]);
        const std::size_t uneven = cut.whole_rows() ? bytes / ranks / 50 : 0;
        EXPECT_LE(all, bytes / ranks + uneven + std::size_t{512} * cut.tiles());
      }
    }
  }
}

TEST(Striped, ARowHasOneOwnerWhereStripesAreWholeRows) {
  int whole = 0;
  for (const Case& c : cases()) {
    for (const int ranks : {1, 2, 3, 4, 8, 13}) {
      SCOPED_TRACE(testing::Message() << c.rows << " x " << c.cols << ", " << ranks << " ranks");
      const Striped cut(c.rows, c.cols, c.each, ranks);
      if (!cut.whole_rows()) continue;
      ++whole;
      const std::size_t row_bytes = c.cols * c.each;
      for (int row = 0; row < c.rows; ++row) {
        const int t = cut.tile_of(row);
        const std::size_t at = static_cast<std::size_t>(row - cut.first(t)) * row_bytes;
        const auto [first, last] = cut.stripe(t, cut.owner(row));
        ASSERT_LE(first, at);
        ASSERT_GE(last, at + row_bytes);
      }
    }
  }
  EXPECT_GT(whole, 20);
}

// Two slots of them are held beside a part of the weights.
TEST(Striped, TilesAreShortOfTheWeight) {
  for (const Case& c : cases()) {
    SCOPED_TRACE(testing::Message() << c.rows << " x " << c.cols);
    const Striped cut(c.rows, c.cols, c.each, 4);
    const std::size_t row = c.cols * c.each;
    const std::size_t all = c.rows * row;
    EXPECT_LE(cut.most_bytes(), std::max({kLeastTileBytes, row, all / 8 + row}));
    EXPECT_LE(cut.most_bytes(), std::max(kMostTileBytes, row));
    if (cut.tiles() > 1 && cut.count(0) > 32) {
      EXPECT_EQ(cut.count(0) % 32, 0);
    }
  }
}

}  // namespace
}  // namespace coronet::cuda
