// An engine whose rows are bounded on a GPU, for the tests that hold it against the CPU's.
#pragma once

#include <gtest/gtest.h>

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

}  // namespace coronet::test
