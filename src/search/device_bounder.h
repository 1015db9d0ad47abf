// Domains bounded on a device beside the CPU. While the device bounds one batch, the workers take
// the one before out of its arrays and put the next one into them.
#pragma once

#include <array>
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

  /// How many domains keep the device busy.
  [[nodiscard]] int round() const;

  /// As Bounder::run() and rigorous().
  Bounded run(std::vector<Domain> domains, int iterations, const std::function<bool()>& stop,
              const Look& look);
  std::vector<double> rigorous(const std::vector<Domain>& domains);

 private:
  bound::Context& context_;
  const Layout& layout_;
  std::unique_ptr<bound::DomainRows> rows_;
  std::array<FlatBatch, 2> batch_;
};

}  // namespace coronet::search
