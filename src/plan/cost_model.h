// How long a run takes, by a few constants.
#pragma once

#include "bound/counted_device.h"

namespace coronet::plan {

/// Seconds of a phase = max(products / rate, bytes / bandwidth + letters * latency / threads):
/// weights are fetched while others are multiplied by, by each thread for itself. Each constant can
/// be set on the command line of `coronet plan`. Those here are of one thread on a core of an AMD
/// EPYC with AVX-512, from `coronet bounds` of random MLPs (bench/README.md); latencies and the
/// file's rate are estimates.
struct CostModel {
  double products32 = 90e9;   ///< a thread's in a second, in float32
  double products64 = 48e9;   ///< and in double
  double convolutions = 0.6;  ///< a convolution's products in a second, of a matrix's
  double columns = 2.4e9;     ///< a thread's products with one column, which wait for memory
  double bandwidth = 2.5e9;   ///< bytes a second that a rank gets from others
  double latency = 30e-6;     ///< seconds of a letter and its answer
  double file = 1e9;          ///< bytes a second that a rank reads from the network's file
  bound::DeviceRates gpu;     ///< of a rank's GPU

  /// Ranks that are threads of one process.
  static CostModel threads() { return {}; }
  /// Processes of one host, over its loopback.
  static CostModel tcp() {
    CostModel model;
    model.bandwidth = 0.9e9;
    model.latency = 100e-6;
    return model;
  }
  /// Each on a host of its own, joined by 200 Gb/s: the link's figures, not measured.
  static CostModel hosts() {
    CostModel model;
    model.bandwidth = 25e9;
    model.latency = 5e-6;
    return model;
  }
};

}  // namespace coronet::plan
