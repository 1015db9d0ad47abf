// What every computation of bounds needs to run: networks, workers, their buffers, the clock.
#pragma once

#include <vector>

#include "base/options.h"
#include "base/parallel.h"
#include "base/progress.h"
#include "base/resources.h"
#include "bound/network.h"
#include "bound/workspace.h"

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
  RowBounder* rows = nullptr;   ///< bounds rows in place of the workers, if there is one
  RowDevice* device = nullptr;  ///< a device beside the CPU, if there is one

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
};

}  // namespace coronet::bound
