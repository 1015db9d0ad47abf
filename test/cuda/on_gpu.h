// An engine whose rows are bounded on a GPU, for the tests that hold it against the CPU's.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <memory>
#include <string>

#include "../graphs.h"
#include "bound/accelerator.h"
#include "bound/cuda/open.h"

#define SKIP_WITHOUT_DEVICE() \
  if (bound::cuda_devices() == 0) GTEST_SKIP() << "no CUDA device"

namespace coronet::test {

/// In chunks of so many MiB.
struct OnGpu {
  OnGpu(const Graph& graph, const std::string& precision, double chunk_mib, int threads = 1,
        double memory_mib = 2048)
      : engine(graph, threads) {
    engine.options.device = "cuda";
    engine.options.precision = precision;
    engine.options.device_chunk_mib = chunk_mib;
    engine.options.device_memory_mib = memory_mib;
    accelerator = bound::open_accelerator(engine.options, graph);
    device = accelerator->prepare(engine.net64, engine.workers);
    engine.context.device = device.get();
    engine.context.device_products = 0;  // however small
  }
  Engine engine;
  std::unique_ptr<bound::Accelerator> accelerator;
  std::unique_ptr<bound::RowDevice> device;
};

/// Up to `tolerance` of an element's size.
inline void expect_near(const bound::Bounds& a, const bound::Bounds& b, double tolerance) {
  for (std::size_t v = 0; v < a.lo.size(); ++v) {
    for (std::size_t i = 0; i < a.lo[v].size(); ++i) {
      const double scale = 1 + std::fabs(b.lo[v][i]) + std::fabs(b.hi[v][i]);
      ASSERT_NEAR(a.lo[v][i], b.lo[v][i], tolerance * scale) << "node " << v << " element " << i;
      ASSERT_NEAR(a.hi[v][i], b.hi[v][i], tolerance * scale) << "node " << v << " element " << i;
    }
  }
}

}  // namespace coronet::test
