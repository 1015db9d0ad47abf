#include "search/device_bounder.h"

#include <algorithm>
#include <cstddef>
#include <future>
#include <iterator>
#include <utility>

namespace coronet::search {

namespace {

/// Batches of a call: what the device waits for the first and after the last one is then little of
/// all. Between calls memory is looked at, and other ranks are heard.
constexpr int kBatches = 8;
/// The device is not full with fewer domains.
constexpr std::size_t kLeastDomains = 2048;

/// A list that is bounded once: what becomes of its domains is not taken again.
class Once final : public Worklist {
 public:
  explicit Once(std::vector<Domain> domains) : domains_(std::move(domains)) {}

  [[nodiscard]] std::size_t waiting() const override { return domains_.size() - taken_; }
  /// In parts of one size, so that the last one is not small.
  std::vector<Domain> take_batch(std::size_t most) override {
    const std::size_t parts = (waiting() + most - 1) / most;
    const auto first = domains_.begin() + static_cast<std::ptrdiff_t>(taken_);
    const auto last = first + static_cast<std::ptrdiff_t>((waiting() + parts - 1) / parts);
    taken_ += static_cast<std::size_t>(last - first);
    return {std::make_move_iterator(first), std::make_move_iterator(last)};
  }
  void take_back(Bounded bounded) override { result_.add(std::move(bounded)); }

  /// With what was not taken as it came.
  Bounded result() {
    if (waiting() > 0) result_.add({take_batch(waiting()), {}, 0});
    return std::move(result_);
  }

 private:
  std::vector<Domain> domains_;
  std::size_t taken_ = 0;
  Bounded result_;
};

}  // namespace

DeviceBounder::DeviceBounder(bound::Context& context, const Layout& layout)
    : context_(context),
      layout_(layout),
      rows_(context.device->domains(
          {layout.root(), layout.plan32(), layout.plan64(), layout.relus(), layout.free()})),
      batch_{FlatBatch(layout, rows_->host_memory()), FlatBatch(layout, rows_->host_memory())} {}

std::size_t DeviceBounder::next_batch(const Worklist& list, int begun) const {
  const std::size_t least = std::min<std::size_t>(kLeastDomains, most());
  const std::size_t waiting = list.waiting();
  // Two at a time keep both sides busy.
  if (begun == 0)
    return std::min<std::size_t>(most(), waiting < 2 * least ? waiting : (waiting + 1) / 2);
  return begun == kBatches || waiting < least ? 0 : most();
}

void DeviceBounder::run(Worklist& list, int iterations, const std::function<bool()>& stop,
                        const Look& look) {
  const bound::DomainSettings settings = domain_settings(context_.options, iterations, look);
  int begun = 0;
  const auto begin = [&](FlatBatch& batch) {
    const std::size_t most = next_batch(list, begun);
    if (most == 0) return false;
    batch.pack(context_.workers, list.take_batch(most));
    ++begun;
    return true;
  };
  const auto finish = [&](FlatBatch& batch, const bound::DomainBounds& bounds) {
    if (!bounds.promising.empty()) {
      std::vector<int> objective;
      for (int r : bounds.promising) objective.push_back(batch.flat().form32.id[r]);
      look(objective, bounds.x, 0);
    }
    list.take_back(batch.unpack(context_.workers, bounds));
  };

  FlatBatch* now = &batch_[0];
  FlatBatch* other = &batch_[1];
  bound::DomainBounds before;  // of the other one
  for (bool more = begin(*now); more; std::swap(now, other)) {
    // The device is driven by a thread of its own, which mostly waits.
    std::future<bound::DomainBounds> device =
        std::async(std::launch::async, [&] { return rows_->bound(now->flat(), settings, stop); });
    if (begun > 1) finish(*other, before);
    more = begin(*other);
    before = device.get();
    if (before.stopped) {
      list.take_back({now->release(), {}, 0});
      if (more) list.take_back({other->release(), {}, 0});
      return;
    }
  }
  if (begun > 0) finish(*other, before);
}

Bounded DeviceBounder::run(std::vector<Domain> domains, int iterations,
                           const std::function<bool()>& stop, const Look& look) {
  Once list(std::move(domains));
  while (list.waiting() > 0 && !stop()) run(list, iterations, stop, look);
  return list.result();
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
    batch_[0].pack(context_.workers, std::move(part));
    const bound::DomainBounds found =
        rows_->bound(batch_[0].flat(), settings, [] { return false; });
    part = batch_[0].release();
    for (std::size_t r = 0; r < part.size(); ++r) {
      bounds.push_back(certain(layout_, part[r], found.certain[r]));
    }
  }
  return bounds;
}

}  // namespace coronet::search
