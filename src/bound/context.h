// What every computation of bounds needs to run: networks, workers, their buffers, the clock.
#pragma once

#include <algorithm>
#include <vector>

#include "base/memory_ledger.h"
#include "base/options.h"
#include "base/parallel.h"
#include "base/progress.h"
#include "base/resources.h"
#include "bound/network.h"
#include "bound/workspace.h"
#include "graph/products.h"

namespace coronet::bound {

class RowBounder;
class RowDevice;

struct Context {
  const Network<float>& net32;   ///< the search
  const Network<double>& net64;  ///< the bounds that count
  const Options& options;
  Workers& workers;
  const Deadline& deadline;
  Tracer& tracer;
  std::vector<Workspace<float>> space32;  ///< one for each worker
  std::vector<Workspace<double>> space64;
  RowBounder* ranks = nullptr;     ///< deals rows over all ranks, if there are several
  RowDevice* device = nullptr;     ///< bounds rows in place of the workers, if there is one
  MemoryLedger* ledger = nullptr;  ///< this rank's, if somebody counts (count_in)
  /// From so many products on for each worker that would have rows (so many of them at least), the
  /// device is sooner: with less, its kernels are shorter than their launches.
  double device_products = kDeviceProducts;
  static constexpr double kDeviceProducts = 1.5e7;
  static constexpr int kRowsOfAWorker = 8;

  Context(const Network<float>& n32, const Network<double>& n64, const Options& o, Workers& w,
          const Deadline& d, Tracer& t)
      : net32(n32),
        net64(n64),
        options(o),
        workers(w),
        deadline(d),
        tracer(t),
        space32(w.size()),
        space64(w.size()) {}

  /// From now on what is held here is counted there.
  void count_in(MemoryLedger* to) {
    ledger = to;
    for (auto& space : space32) space.count_in(to);
    for (auto& space : space64) space.count_in(to);
  }

  /// Is the device to bound a batch of so many rows over this node?
  [[nodiscard]] bool for_device(int rows, int node) const {
    if (device == nullptr) return false;
    const int busy = std::clamp(rows / kRowsOfAWorker, 1, workers.size());
    return static_cast<double>(rows) * static_cast<double>(products(net32.graph(), node)) >=
           device_products * busy;
  }
};

}  // namespace coronet::bound
