// Rows of a list as a device takes them at a time.
#include "bound/device_chunks.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace coronet::bound {
namespace {

constexpr std::size_t kRow = 1000;  // bytes

int rows_of(int total, std::size_t fit) { return device_rows(kRow, total, fit * kRow, ~0ULL); }

TEST(DeviceChunks, FillTheDevice) {
  struct Case {
    int total;
    std::size_t fit;
    int rows;
  };
  for (const Case& c : {Case{100, 5, 32},
                        {1000, 100, 64},
                        {100'000, 255, 224},
                        {100'000, 390, 256},
                        {100'000, 809, 512},
                        {100'000, 1023, 512},
                        {60'000, 1500, 1280},
                        {32'768, 100'000, 4096},
                        {16'384, 100'000, 4096},
                        {8192, 100'000, 4096},
                        {8000, 100'000, 8192},
                        {20, 100'000, 256}}) {
    EXPECT_EQ(rows_of(c.total, c.fit), c.rows) << c.total << " rows, of which " << c.fit << " fit";
  }
}

TEST(DeviceChunks, AreAsManyForTwoFourAndEightDevices) {
  for (const int total : {1, 20, 500, 4097, 9000, 20'000, 32'768, 100'000}) {
    for (const std::size_t fit : {1, 31, 40, 300, 513, 900, 3000, 8192, 50'000}) {
      SCOPED_TRACE(testing::Message() << total << " rows, of which " << fit << " fit");
      const int rows = rows_of(total, fit);
      EXPECT_LE(rows, std::max<std::size_t>(kLeastDeviceRows, std::min<std::size_t>(fit, 8192)));
      EXPECT_EQ(rows % 32, 0);
      // The last one may be small, so that one fewer are enough.
      const int chunks = (total + rows - 1) / rows;
      EXPECT_GE(chunks, std::min(total / kManyDeviceRows, 8));
    }
  }
}

}  // namespace
}  // namespace coronet::bound
