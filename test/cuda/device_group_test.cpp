// Collectives of device memory: what every link must do, on as many GPUs as there are.
#include "cuda/device_group.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <numeric>
#include <string>
#include <vector>

#include "../comm_cases.h"
#include "base/error.h"
#include "comm/threads.h"
#include "cuda/nccl.h"
#include "cuda_fixture.h"

namespace coronet::cuda {
namespace {

using test::number_of;
using test::numbers_of;
using test::reduced;
using test::uneven;

constexpr auto kSum = comm::Reduction::kSum;

/// Parts of several shapes: uneven with empty ones, all empty, one element, many.
std::vector<std::vector<std::size_t>> shapes(int ranks) {
  const auto n = static_cast<std::size_t>(ranks);
  std::vector<std::vector<std::size_t>> all{uneven(ranks)};
  for (const std::size_t each : {std::size_t{0}, std::size_t{1}, std::size_t{70001}}) {
    all.emplace_back(n, each);
  }
  all.emplace_back(n, 0);
  all.back().back() = 3;
  return all;
}

template <class T>
void reduces(Device& device, DeviceGroup& devices, comm::Communicator& group) {
  for (const auto& counts : shapes(group.size())) {
    const std::size_t total = std::accumulate(counts.begin(), counts.end(), std::size_t{0});
    const std::size_t before =
        std::accumulate(counts.begin(), counts.begin() + group.rank(), std::size_t{0});
    const std::size_t mine = counts[group.rank()];
    const On<T> all(device, numbers_of<T>(group.rank(), total));
    for (const bool accumulate : {false, true}) {
      On<T> sum(device, std::vector<T>(mine, T{0.375}));
      devices.reduce_scatter(all.data(), sum.data(), counts, accumulate);
      const std::vector<T> found = sum.back();
      for (std::size_t i = 0; i < mine; ++i) {
        const T terms = reduced<T>(group.size(), before + i, kSum);
        ASSERT_EQ(found[i], accumulate ? T{0.375} + terms : terms) << "element " << i;
      }
    }
    // Into the member's own part of them.
    devices.reduce_scatter(all.data(), all.data() + before, counts, false);
    const std::vector<T> found = all.back();
    for (std::size_t i = 0; i < mine; ++i) {
      ASSERT_EQ(found[before + i], reduced<T>(group.size(), before + i, kSum)) << "element " << i;
    }
  }
}

template <class T>
void gathers(Device& device, DeviceGroup& devices, comm::Communicator& group) {
  for (const auto& counts : shapes(group.size())) {
    const std::size_t total = std::accumulate(counts.begin(), counts.end(), std::size_t{0});
    const std::size_t before =
        std::accumulate(counts.begin(), counts.begin() + group.rank(), std::size_t{0});
    const std::size_t mine = counts[group.rank()];
    const std::vector<T> part = numbers_of<T>(group.rank(), mine);
    std::vector<T> expected;
    for (int r = 0; r < group.size(); ++r) {
      const std::vector<T> theirs = numbers_of<T>(r, counts[r]);
      expected.insert(expected.end(), theirs.begin(), theirs.end());
    }
    const On<T> from(device, part);
    const On<T> all(device, std::vector<T>(total, T{-1}));
    devices.all_gather(from.data(), all.data(), counts);
    ASSERT_EQ(all.back(), expected);
    // From where it belongs.
    std::vector<T> in_place(total, T{-1});
    std::copy(part.begin(), part.end(), in_place.begin() + static_cast<std::ptrdiff_t>(before));
    const On<T> there(device, in_place);
    devices.all_gather(there.data() + before, there.data(), counts);
    ASSERT_EQ(there.back(), expected);
  }
}

/// Many in a row, each of which reads what the one before wrote.
void in_turn(Device& device, DeviceGroup& devices, comm::Communicator& group) {
  const auto n = static_cast<std::size_t>(group.size());
  const std::vector<std::size_t> counts(n, 257);
  const On<float> all(device, std::vector<float>(257 * n, 1.0F));
  float expected = 1;
  for (int turn = 0; turn < 8; ++turn) {
    float* const part = all.data() + 257 * static_cast<std::size_t>(group.rank());
    devices.reduce_scatter(all.data(), part, counts, false);
    devices.all_gather(part, all.data(), counts);
    expected *= static_cast<float>(n);
  }
  ASSERT_EQ(all.back(), std::vector<float>(257 * n, expected));
}

/// Sums in two halves, two of them on their way where the link lets them.
void ahead(Device& device, DeviceGroup& devices, comm::Communicator& group) {
  const auto n = static_cast<std::size_t>(group.size());
  const std::vector<std::size_t> counts(n, 40001);
  constexpr int kTurns = 4;
  std::vector<On<double>> all;
  std::vector<On<double>> sums;
  for (int turn = 0; turn < kTurns; ++turn) {
    std::vector<double> numbers = numbers_of<double>(group.rank(), counts[0] * n);
    for (double& x : numbers) x *= turn + 1;
    all.emplace_back(device, numbers);
    sums.emplace_back(device, std::vector<double>(counts[0], -1.0));
  }
  int ended = 0;
  const auto end = [&] {
    devices.end_reduce_scatter(all[ended].data(), sums[ended].data(), counts, false);
    ++ended;
  };
  for (int turn = 0; turn < kTurns; ++turn) {
    devices.begin_reduce_scatter(all[turn].data(), counts);
    if (turn > 0 || !devices.overlaps()) end();
  }
  while (ended < kTurns) end();
  const std::size_t before = counts[0] * static_cast<std::size_t>(group.rank());
  for (int turn = 0; turn < kTurns; ++turn) {
    const std::vector<double> found = sums[turn].back();
    for (std::size_t i = 0; i < found.size(); ++i) {
      double expected = 0;
      for (int r = 0; r < group.size(); ++r) {
        const double term = number_of<double>(r, before + i) * (turn + 1);
        expected = r == 0 ? term : expected + term;
      }
      ASSERT_EQ(found[i], expected) << "turn " << turn << ", element " << i;
    }
  }
}

/// The two halves at the same time, in the opposite order of ranks.
void sub_groups(Device& device, DeviceGroup& /*devices*/, comm::Communicator& group) {
  comm::Communicator half = group.split(group.rank() % 2, -group.rank());
  DeviceGroup half_devices(device, half);
  reduces<double>(device, half_devices, half);
  group.barrier();
}

struct Case {
  const char* name;
  void (*run)(Device&, DeviceGroup&, comm::Communicator&);
};
constexpr Case kCases[] = {{"reductions of float", reduces<float>},
                           {"reductions of double", reduces<double>},
                           {"gathers of float", gathers<float>},
                           {"gathers of double", gathers<double>},
                           {"in turn", in_turn},
                           {"ahead", ahead},
                           {"sub-groups", sub_groups}};

/// For what NCCL has of two groups, and the numbers.
constexpr std::size_t kMemory = std::size_t{512} << 20;

/// fn(device, devices, group) on ranks that are threads; rank r on GPU r % gpus.
template <class Fn>
void on_ranks(int ranks, int gpus, const Fn& fn) {
  comm::run_threads(comm::thread_channels(ranks), [&](comm::Channel& channel) {
    comm::Communicator group(channel, 60);
    Device device(channel.rank() % gpus, kMemory);
    DeviceGroup devices(device, group.split(0, group.rank()));
    fn(device, devices, group);
    group.barrier();
  });
}

class DeviceGroups : public CudaTest {
 protected:
  void SetUp() override {
    CudaTest::SetUp();
    ::setenv("NCCL_NVLS_ENABLE", "0", 1);  // before there are threads
  }
};

TEST_F(DeviceGroups, RanksThatShareAGpuGoThroughTheHost) {
  for (const int ranks : {2, 4}) {
    on_ranks(ranks, 1, [&](Device& device, DeviceGroup& devices, comm::Communicator& group) {
      EXPECT_EQ(devices.link().substr(0, 11), "host memory") << devices.link();
      for (const Case& c : kCases) {
        SCOPED_TRACE(std::string(c.name) + ", " + std::to_string(ranks) + " ranks");
        c.run(device, devices, group);
      }
    });
  }
}

/// With libnccl.so.2 on LD_LIBRARY_PATH.
TEST_F(DeviceGroups, RanksWithAGpuEachGoByNccl) {
  const int gpus = static_cast<int>(coronet::cuda::devices().size());
  std::string link;
  for (int ranks = 1; ranks <= std::min(gpus, 4); ++ranks) {
    on_ranks(ranks, gpus, [&](Device& device, DeviceGroup& devices, comm::Communicator& group) {
      if (group.rank() == 0) link = devices.link();
      for (const Case& c : kCases) {
        SCOPED_TRACE(std::string(c.name) + ", " + std::to_string(ranks) + " ranks");
        c.run(device, devices, group);
      }
    });
    if (link.substr(0, 4) != "NCCL") GTEST_SKIP() << link;
  }
  if (gpus == 1) GTEST_SKIP() << link << " by one rank; there is one GPU";
}

/// A rank that fails while the others wait for its numbers ends all, with its words.
TEST_F(DeviceGroups, ARankThatFailsEndsAll) {
  const int gpus = static_cast<int>(coronet::cuda::devices().size());
  for (const int use : gpus > 1 ? std::vector{1, std::min(gpus, 3)} : std::vector{1}) {
    try {
      on_ranks(use > 1 ? use : 3, use,
               [&](Device& device, DeviceGroup& devices, comm::Communicator& group) {
                 in_turn(device, devices, group);
                 if (group.rank() == 1) throw Error(ErrorKind::kOutOfMemory, "no more");
                 in_turn(device, devices, group);
               });
      ADD_FAILURE() << "no error";
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::kOutOfMemory) << e.what();
    }
  }
}

/// Needs no GPU.
TEST(NcclLibrary, IsOpenedWhereMulticastIsOff) {
  for (const char* value : {"", "1", "2", "00"}) {
    ::setenv("NCCL_NVLS_ENABLE", value, 1);
    std::string why;
    EXPECT_EQ(Nccl::open(why), nullptr) << value;
    EXPECT_NE(why.find("NCCL_NVLS_ENABLE"), std::string::npos) << why;
  }
  ::setenv("NCCL_NVLS_ENABLE", "0", 1);
  std::string why;
  const auto calls = Nccl::open(why);
  if (calls == nullptr) {
    EXPECT_NE(why.find("libnccl.so.2"), std::string::npos) << why;
    GTEST_SKIP() << why;
  }
  EXPECT_GE(calls->version, Nccl::kLeastVersion);
  EXPECT_STREQ(calls->error_string(Nccl::kSuccess), "no error");
  EXPECT_EQ(nccl_version_words(22703), "2.27.3");
}

}  // namespace
}  // namespace coronet::cuda
