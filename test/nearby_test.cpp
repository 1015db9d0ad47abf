// Memory of another process of the host: read while it is open, and never believed afterwards.
#include "comm/nearby.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <numeric>
#include <optional>
#include <span>
#include <vector>

namespace coronet::comm {
namespace {

std::uint64_t address_of(const std::vector<int>& numbers) {
  return reinterpret_cast<std::uint64_t>(numbers.data());
}

class Nearby : public ::testing::Test {
 protected:
  Nearby() : numbers_(100000), copy_(100000) {
    std::iota(numbers_.begin(), numbers_.end(), 7);
    open_.emplace();
  }
  void SetUp() override {
    if (!NearbyMemory(open_->place(), open_->place()).open()) {
      GTEST_SKIP() << "the system lets no process read another one's memory";
    }
  }
  std::span<std::byte> room() { return std::as_writable_bytes(std::span(copy_)); }

  std::vector<int> numbers_;
  std::vector<int> copy_;
  std::optional<OpenMemory> open_;
};

TEST_F(Nearby, IsReadUntilItIsClosed) {
  const NearbyMemory memory(open_->place(), open_->place());
  EXPECT_TRUE(memory.read(address_of(numbers_), room()));
  EXPECT_EQ(copy_, numbers_);
  EXPECT_FALSE(memory.read(8, room())) << "nothing is there";
  const NearbyPlace place = open_->place();
  open_->close();
  EXPECT_FALSE(memory.read(address_of(numbers_), room())) << "closed, though still there";
  EXPECT_FALSE(NearbyMemory(place, place).open());
}

TEST_F(Nearby, OtherHostsAndOtherProcessesAreNot) {
  const NearbyPlace mine = open_->place();
  NearbyPlace other = mine;
  other.host ^= 2;
  EXPECT_FALSE(NearbyMemory(other, mine).open());
  EXPECT_FALSE(NearbyMemory(NearbyPlace{}, NearbyPlace{}).open());
  other = mine;
  other.nonce ^= 2;
  EXPECT_FALSE(NearbyMemory(other, mine).open()) << "a process that got the number later";
}

TEST_F(Nearby, AProcessThatHasGoneIsNotBelieved) {
  std::array<int, 2> ready{};
  std::array<int, 2> done{};
  ASSERT_EQ(::pipe(ready.data()), 0);
  ASSERT_EQ(::pipe(done.data()), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const OpenMemory its;
    OpenMemory::permit_others();
    const NearbyPlace place = its.place();
    bool ok = ::write(ready[1], &place, sizeof place) == sizeof place;
    char go = 0;
    ok = ::read(done[0], &go, 1) == 1 && ok;
    ::_exit(ok ? 0 : 1);
  }
  NearbyPlace place;
  ASSERT_EQ(::read(ready[0], &place, sizeof place), static_cast<ssize_t>(sizeof place));
  const NearbyMemory memory(place, open_->place());
  if (memory.open()) {
    EXPECT_TRUE(memory.read(address_of(numbers_), room()));  // its copy, at the same address
    EXPECT_EQ(copy_, numbers_);
  }
  ASSERT_EQ(::write(done[1], "g", 1), 1);
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_FALSE(memory.read(address_of(numbers_), room()));
  for (const int file : {ready[0], ready[1], done[0], done[1]}) ::close(file);
}

}  // namespace
}  // namespace coronet::comm
