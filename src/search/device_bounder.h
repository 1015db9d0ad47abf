// Domains bounded on a device beside the CPU. While the device bounds one batch, the workers take
// the one before out of its arrays and put the next one into them: what is split next may come of
// the one before.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "bound/accelerator.h"
#include "bound/context.h"
#include "search/bounded.h"
#include "search/flat_batch.h"
#include "search/worklist.h"

namespace coronet::search {

class DeviceBounder {
 public:
  /// `layout` outlives it, and has no clause of several constraints: their multipliers are stepped
  /// on the CPU.
  DeviceBounder(bound::Context& context, const Layout& layout);

  /// As those of Bounder.
  void run(Worklist& list, int iterations, const std::function<bool()>& stop, const Look& look);
  Bounded run(std::vector<Domain> domains, int iterations, const std::function<bool()>& stop,
              const Look& look);
  std::vector<double> rigorous(const std::vector<Domain>& domains);

 private:
  /// Domains of a batch, at most.
  [[nodiscard]] int most() const { return rows_->most() / 2; }
  /// The next batch of this call's; 0: the call ends with those that are on their way.
  [[nodiscard]] std::size_t next_batch(const Worklist& list, int begun) const;

  bound::Context& context_;
  const Layout& layout_;
  std::unique_ptr<bound::DomainRows> rows_;
  std::array<FlatBatch, 2> batch_;
};

}  // namespace coronet::search
