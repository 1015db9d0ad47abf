// How long a run takes, by a few constants.
#pragma once

#include "bound/counted_device.h"
#include "bound/row_memory.h"

namespace coronet::plan {

/// Seconds of a phase = max(work, bytes / bandwidth + letters * latency / threads) where ranks
/// share rows: weights are fetched while others are multiplied by, by each thread for itself. Where
/// they share neurons, = work + (bytes / exchange + letters * meeting) / threads: all wait for the
/// sums that they form together. work = (products / rate + numbers / elements + bytes / slopes) /
/// threads. Each constant can be set on the command line of `coronet plan`. Those here are of one
/// thread on a core of an AMD EPYC with AVX-512, from `coronet bounds` of random MLPs and networks
/// of VNN-COMP (bench/README.md); latencies and the file's rate are estimates.
struct CostModel {
  double products32 = 90e9;   ///< a thread's in a second, in float32
  double products64 = 48e9;   ///< and in double
  double convolutions = 1.0;  ///< a convolution's products in a second, of a matrix's
  double elements = 0.7e9;    ///< numbers in a second that pass ReLUs and the like; half in double
  double slopes = 4e9;        ///< bytes in a second of slopes in buffers that were taken anew
  double columns = 2.4e9;     ///< a thread's products with one column, which wait for memory
  double bandwidth = 2.5e9;   ///< bytes a second that a rank gets from others
  double latency = 30e-6;     ///< seconds of a letter and its answer
  double exchange = 1.4e9;    ///< bytes a second that a thread tells others in sums and gathers
  double meeting = 5e-6;      ///< seconds of each of its letters there
  double file = 1e9;          ///< bytes a second that a rank reads from the network's file
  bound::DeviceRates gpu;     ///< of a rank's GPU

  /// One thread's seconds.
  [[nodiscard]] double seconds(const bound::RowWork& work) const {
    return (work.matrices32 + (work.convolutions32 + work.blocks32) / convolutions) / products32 +
           (work.matrices64 + work.convolutions64 / convolutions) / products64 +
           (work.elements32 + 2 * work.elements64) / elements + work.slopes / slopes;
  }

  /// Ranks that are threads of one process.
  static CostModel threads() { return {}; }
  /// Processes of one host, over its loopback.
  static CostModel tcp() {
    CostModel model;
    model.bandwidth = 0.9e9;
    model.latency = 100e-6;
    model.exchange = 1.1e9;
    model.meeting = 10e-6;
    return model;
  }
  /// Each on a host of its own, joined by 200 Gb/s: the link's figures, not measured. What is
  /// exchanged is copied and added up as by threads, and goes over the link.
  static CostModel hosts() {
    CostModel model;
    model.bandwidth = 25e9;
    model.latency = 5e-6;
    model.exchange = 1 / (1 / model.exchange + 1 / model.bandwidth);
    return model;
  }
};

}  // namespace coronet::plan
