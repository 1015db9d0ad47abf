#include "search/device_bounder.h"

#include <algorithm>
#include <future>
#include <iterator>
#include <span>
#include <utility>

namespace coronet::search {

namespace {

/// Batches of a full round: what the device waits for the first and the workers for the last one is
/// then little of all.
constexpr int kBatches = 4;
/// A round of fewer domains is one batch: the device is not full with less.
constexpr int kLeastDomains = 2048;

}  // namespace

DeviceBounder::DeviceBounder(bound::Context& context, const Layout& layout)
    : context_(context),
      layout_(layout),
      rows_(context.device->domains(
          {layout.root(), layout.plan32(), layout.plan64(), layout.relus(), layout.free()})),
      batch_{FlatBatch(layout), FlatBatch(layout)} {}

int DeviceBounder::round() const { return kBatches * (rows_->most() / 2); }

Bounded DeviceBounder::run(std::vector<Domain> domains, int iterations,
                           const std::function<bool()>& stop, const Look& look) {
  const bound::DomainSettings settings = domain_settings(context_.options, iterations, look);
  const int total = static_cast<int>(domains.size());
  if (total == 0) return {};
  const int most = rows_->most() / 2;
  const int batches =
      std::max((total + most - 1) / most, std::clamp(total / kLeastDomains, 1, kBatches));
  const int size = (total + batches - 1) / batches;
  const auto part = [&](int i) {
    const int first = std::min(total, i * size);
    return std::span<Domain>(domains.data() + first, std::min(size, total - first));
  };

  Bounded result;
  bound::DomainBounds before;  // of batch i - 1
  const auto finish = [&](FlatBatch& batch) {
    if (!before.promising.empty()) {
      std::vector<int> objective;
      for (int r : before.promising) objective.push_back(batch.flat().form32.id[r]);
      look(objective, before.x, 0);
    }
    result.add(batch.unpack(context_.workers, before));
  };
  batch_[0].pack(context_.workers, part(0));
  for (int i = 0; i < batches; ++i) {
    FlatBatch& batch = batch_[i % 2];
    FlatBatch& other = batch_[1 - i % 2];
    // The device is driven by a thread of its own, which mostly waits.
    std::future<bound::DomainBounds> device =
        std::async(std::launch::async, [&] { return rows_->bound(batch.flat(), settings, stop); });
    if (i > 0) finish(other);
    if (i + 1 < batches) other.pack(context_.workers, part(i + 1));
    before = device.get();
    if (before.stopped) {
      std::move(domains.begin() + std::min(total, i * size), domains.end(),
                std::back_inserter(result.open));
      return result;
    }
  }
  finish(batch_[(batches - 1) % 2]);
  return result;
}

std::vector<double> DeviceBounder::rigorous(const std::vector<Domain>& domains) {
  const bound::DomainSettings settings{0};
  const std::size_t most = rows_->most();
  std::vector<double> bounds;
  for (std::size_t first = 0; first < domains.size(); first += most) {
    const std::size_t last = std::min(domains.size(), first + most);
    // Themselves, not their children.
    std::vector<Domain> part(domains.begin() + first, domains.begin() + last);
    for (Domain& d : part) d.split_node = -1;
    batch_[0].pack(context_.workers, part);
    const bound::DomainBounds found =
        rows_->bound(batch_[0].flat(), settings, [] { return false; });
    for (std::size_t r = 0; r < part.size(); ++r) {
      bounds.push_back(certain(layout_, part[r], found.certain[r]));
    }
  }
  return bounds;
}

}  // namespace coronet::search
