// An engine of the tests with a GPU.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "../graphs.h"
#include "bound/accelerator.h"
#include "bound/cuda/open.h"

#define SKIP_WITHOUT_DEVICE() \
  if (cuda_devices() == 0) GTEST_SKIP() << "no CUDA device"

namespace coronet::bound {

/// An engine whose rows are bounded on a GPU, in chunks of so many MiB, in so much memory.
struct OnGpu {
  OnGpu(const Graph& graph, const std::string& precision, double chunk_mib,
        double memory_mib = 2048)
      : engine(graph) {
    engine.options.device = "cuda";
    engine.options.precision = precision;
    engine.options.device_chunk_mib = chunk_mib;
    engine.options.device_memory_mib = memory_mib;
    accelerator = open_accelerator(engine.options, graph);
    device = accelerator->prepare(engine.net64, engine.workers);
    engine.context.device = device.get();
  }
  test::Engine engine;
  std::unique_ptr<Accelerator> accelerator;
  std::unique_ptr<RowDevice> device;
};

}  // namespace coronet::bound
