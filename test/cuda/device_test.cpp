#include "cuda/device.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <numeric>
#include <vector>

#include "base/error.h"
#include "base/resource_vector.h"
#include "cuda_fixture.h"

namespace coronet::cuda {
namespace {

TEST(CudaName, Ordinals) {
  EXPECT_EQ(ordinal_of("cuda"), 0);
  EXPECT_EQ(ordinal_of("cuda:3"), 3);
  for (const char* name : {"cuda:", "cuda:x", "cuda:-1", "cuda:1x", "gpu", ""}) {
    EXPECT_THROW(ordinal_of(name), Error) << name;
  }
}

TEST(CudaEnvironment, WhatChangesArithmeticIsRefused) {
  refuse_changed_arithmetic();
  for (const char* name : {"NVIDIA_TF32_OVERRIDE", "CUBLAS_EMULATE_SINGLE_PRECISION",
                           "CUBLAS_EMULATE_DOUBLE_PRECISION", "CUBLAS_EMULATION_STRATEGY"}) {
    setenv(name, "0", 1);
    try {
      refuse_changed_arithmetic();
      ADD_FAILURE() << name << " was taken";
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::kBadInput);
      EXPECT_NE(std::string(e.what()).find(name), std::string::npos);
    }
    unsetenv(name);
  }
}

using CudaDevice = CudaTest;

// Vectors of all sizes go there and back without a wait of their own; large ones are pinned, and
// have the memory of those before them.
TEST_F(CudaDevice, CopiesFromItsHostMemoryNeedOneWait) {
  using Vector = ResourceVector<int>;
  constexpr std::size_t kLarge = std::size_t{1} << 20;
  const void* before = nullptr;
  for (int round = 0; round < 3; ++round) {
    std::vector<Vector> from;
    std::vector<Vector> back;
    std::vector<Buffer<int>> there;
    for (const std::size_t n : {std::size_t{1}, std::size_t{1000}, std::size_t{100000}, kLarge}) {
      from.emplace_back(ResourceAllocator<int>(&device().host_memory()));
      from.back().resize(n);
      std::iota(from.back().begin(), from.back().end(), round);
      there.push_back(device().take<int>(n, Tensor::kDomains, "a copy"));
      device().start_put(there.back().data(), from.back().data(), n * sizeof(int));
    }
    device().wait();
    for (std::size_t i = 0; i < from.size(); ++i) {
      back.emplace_back(ResourceAllocator<int>(&device().host_memory()));
      back[i].resize(from[i].size());
      device().start_get(back[i].data(), there[i].data(), back[i].size() * sizeof(int));
    }
    device().wait();
    for (std::size_t i = 0; i < from.size(); ++i) EXPECT_TRUE(from[i] == back[i]);
    const void* const now = std::min<const void*>(from.back().data(), back.back().data());
    if (before != nullptr) {
      EXPECT_EQ(now, before);
    }
    before = now;
  }
}

TEST_F(CudaDevice, UnknownOrdinal) {
  try {
    const Device none(1000);
    ADD_FAILURE() << "there is no device 1000";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kBadInput);
  }
}

TEST_F(CudaDevice, CopiesGoThereAndBack) {
  std::mt19937 random(1);
  const auto from = numbers<double>(10007, random);
  const On<double> on(device(), from);
  EXPECT_EQ(on.back(), from);
  const Buffer<double> copy = device().take<double>(from.size(), Tensor::kPush, "a copy");
  device().copy(copy.data(), on.data(), from.size() * sizeof(double));
  std::vector<double> back(from.size());
  device().download(back.data(), copy.data(), back.size());
  EXPECT_EQ(back, from);
  device().zero(copy.data(), from.size() * sizeof(double));
  device().download(back.data(), copy.data(), back.size());
  EXPECT_EQ(back, std::vector<double>(from.size(), 0.0));
}

TEST_F(CudaDevice, ArenaKeepsBlocksApartAndTheirCount) {
  device().use();
  Arena arena(std::make_unique<DeviceHeap>(std::size_t{64} << 20));
  std::mt19937 random(2);
  struct Held {
    char* at;
    std::size_t bytes;
    Tensor tensor;
  };
  std::vector<Held> held;
  std::size_t total = 0;
  for (int step = 0; step < 5000; ++step) {
    if (!held.empty() && (pick(random, 0, 1) == 0 || total > (std::size_t{24} << 20))) {
      const std::size_t i = static_cast<std::size_t>(pick(random, 0, held.size() - 1));
      total -= held[i].bytes;
      arena.give(held[i].at);
      held.erase(held.begin() + static_cast<std::ptrdiff_t>(i));
    } else {
      const std::size_t bytes = static_cast<std::size_t>(pick(random, 1, 300000));
      const auto tensor = static_cast<Tensor>(pick(random, 0, kTensors - 1));
      auto* const at = static_cast<char*>(arena.take(bytes, tensor, "a block"));
      ASSERT_EQ(reinterpret_cast<std::uintptr_t>(at) % 256, 0U);
      const std::size_t size = (bytes + 255) / 256 * 256;
      for (const Held& h : held) ASSERT_TRUE(at + size <= h.at || h.at + h.bytes <= at);
      held.push_back({at, size, tensor});
      total += size;
    }
    ASSERT_EQ(arena.now().total, total);
    ASSERT_LE(arena.now().total, arena.most().total);
    ASSERT_LE(arena.reserved(), arena.limit());
    ASSERT_LE(arena.now().total, arena.reserved());
  }
  for (const Held& h : held) arena.give(h.at);
  EXPECT_EQ(arena.now().total, 0U);
  // What was given back is one block again.
  const std::size_t reserved = arena.reserved();
  arena.give(arena.take(reserved, Tensor::kA, "all of it"));
  EXPECT_EQ(arena.reserved(), reserved);
}

TEST_F(CudaDevice, OutOfMemoryNamesTensorAndBytes) {
  device().use();
  Arena arena(std::make_unique<DeviceHeap>(std::size_t{1} << 20));
  try {
    arena.take(std::size_t{2} << 20, Tensor::kAlpha, "slopes of node 7");
    ADD_FAILURE() << "two MiB were taken of one";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kOutOfMemory);
    const std::string message = e.what();
    EXPECT_NE(message.find("slopes of node 7"), std::string::npos) << message;
    EXPECT_NE(message.find("2097152 bytes"), std::string::npos) << message;
  }
}

}  // namespace
}  // namespace coronet::cuda
