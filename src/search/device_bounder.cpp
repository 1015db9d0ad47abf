#include "search/device_bounder.h"

#include <algorithm>
#include <utility>

namespace coronet::search {

DeviceBounder::DeviceBounder(bound::Context& context, const Layout& layout)
    : context_(context),
      layout_(layout),
      rows_(context.device->domains(
          {layout.root(), layout.plan32(), layout.plan64(), layout.relus(), layout.free()})),
      batch32_(layout),
      batch64_(layout) {}

Bounded DeviceBounder::run(const std::vector<Domain>& domains, int iterations,
                           const std::function<bool()>& stop, const Look& look) {
  const bound::DomainSettings settings = domain_settings(context_.options, iterations, look);
  const int total = static_cast<int>(domains.size());
  const int batches = (total + round() - 1) / round();
  const int size = (total + batches - 1) / std::max(1, batches);
  Bounded result;
  for (int first = 0; first < total; first += size) {
    run_batch(domains, first, std::min(total, first + size), settings, stop, look, result);
  }
  return result;
}

void DeviceBounder::run_batch(const std::vector<Domain>& domains, int first, int last,
                              const bound::DomainSettings& settings,
                              const std::function<bool()>& stop, const Look& look,
                              Bounded& result) {
  std::vector<Child> children;
  children.reserve(2 * (last - first));
  for (int i = first; i < last; ++i) {
    const Domain& d = domains[i];
    if (d.split_node < 0) {
      children.push_back({&d, 0});
    } else {
      children.push_back({&d, 1});
      children.push_back({&d, -1});
    }
  }
  batch32_.pack(context_.workers, std::move(children));
  const bound::DomainBounds bounds = rows_->bound(batch32_.flat(), settings, stop);
  if (bounds.stopped) {
    result.open.insert(result.open.end(), domains.begin() + first, domains.begin() + last);
    return;
  }
  if (!bounds.promising.empty()) {
    std::vector<int> objective;
    for (int r : bounds.promising) objective.push_back(batch32_.flat().form.id[r]);
    look(objective, bounds.x, 0);
  }
  std::vector<Domain> after = batch32_.unpack(context_.workers, bounds.bound);
  std::vector<Domain> proved;
  for (std::size_t r = 0; r < after.size(); ++r) {
    if (bounds.positive[r]) {
      proved.push_back(std::move(after[r]));
      continue;
    }
    split(after[r], bounds.splits, r);
    result.add(std::move(after[r]));
  }
  result.count += static_cast<std::int64_t>(after.size());
  const std::vector<double> safe = rigorous(proved, true);
  result.add_unproved(std::move(proved), safe);
}

std::vector<double> DeviceBounder::rigorous(std::vector<Domain>& domains, bool resplit) {
  std::vector<double> safe;
  const std::size_t most = rows_->most();
  for (std::size_t first = 0; first < domains.size(); first += most) {
    std::vector<Child> rows;
    for (std::size_t i = first; i < std::min(domains.size(), first + most); ++i) {
      rows.push_back({&domains[i], 0});
    }
    batch64_.pack(context_.workers, std::move(rows));
    bound::DomainSplits splits;
    const std::vector<double> bound = rows_->settle(batch64_.flat(), resplit ? &splits : nullptr);
    for (std::size_t r = 0; r < bound.size(); ++r) {
      Domain& d = domains[first + r];
      safe.push_back(certain(layout_, d, bound[r]));
      if (resplit && !(safe.back() > 0)) split(d, splits, r);
    }
  }
  return safe;
}

void DeviceBounder::split(Domain& d, const bound::DomainSplits& splits, std::size_t r) const {
  d.split_node = splits.node[r];
  d.split_neuron = splits.neuron[r];
  if (d.split_node >= 0) return;
  Batch<float> one = layout_.make<float>(1, false);
  layout_.put(one, 0, d);
  split_widest(layout_, one, 0, d);
}

}  // namespace coronet::search
