// Domains bounded on a device beside the CPU: the workers put them into flat arrays and take them
// out, the device does all between.
#pragma once

#include <memory>
#include <vector>

#include "bound/accelerator.h"
#include "bound/context.h"
#include "search/bounded.h"
#include "search/flat_batch.h"

namespace coronet::search {

class DeviceBounder {
 public:
  /// `layout` outlives it, and has no clause of several constraints: their multipliers are stepped
  /// on the CPU.
  DeviceBounder(bound::Context& context, const Layout& layout);

  /// How many domains fill the device.
  [[nodiscard]] int round() const { return rows_->most() / 2; }

  /// As Bounder::run().
  Bounded run(const std::vector<Domain>& domains, int iterations, const std::function<bool()>& stop,
              const Look& look);

  /// As Bounder::rigorous(), of all of them.
  std::vector<double> rigorous(std::vector<Domain>& domains, bool resplit);

 private:
  void run_batch(const std::vector<Domain>& domains, int first, int last,
                 const bound::DomainSettings& settings, const std::function<bool()>& stop,
                 const Look& look, Bounded& result);
  /// The split that the device chose, or where it found none, the neuron of the widest bounds.
  void split(Domain& d, const bound::DomainSplits& splits, std::size_t r) const;

  bound::Context& context_;
  const Layout& layout_;
  std::unique_ptr<bound::DomainRows> rows_;
  FlatBatch<float> batch32_;
  FlatBatch<double> batch64_;
};

}  // namespace coronet::search
