#include "search/flat_batch.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace coronet::search {

namespace {

/// Domains that a worker takes at a time.
constexpr int kDomains = 128;

/// Decisions of a domain have room for a few more: most children then have no need of other memory
/// than their parent's.
std::size_t room_for(std::size_t decisions) {
  constexpr std::size_t kAtOnce = 8;
  return (decisions + kAtOnce - 1) / kAtOnce * kAtOnce;
}

void skip_splits(const Domain& d, float phase, std::vector<int>& split) {
  for (const Decision& s : d.decisions) ++split[s.node];
  if (phase != 0) ++split[d.split_node];
}

}  // namespace

FlatBatch::FlatBatch(const Layout& layout, std::pmr::memory_resource& memory)
    : layout_(layout), flat_(layout.objectives().node + 1, memory) {
  for (int v : layout.relus()) slopes_ += layout.free(v).size();
}

template <class Fn>
void FlatBatch::for_children(int task, const Fn& fn) {
  Place place = places_[task];
  const std::size_t last = std::min<std::size_t>((task + 1) * kDomains, domains_.size());
  for (std::size_t i = task * kDomains; i < last; ++i) {
    Domain& d = domains_[i];
    if (d.split_node < 0) {
      fn(Child{&d, 0, place.row++}, place);
      continue;
    }
    fn(Child{&d, 1, place.row++}, place);
    fn(Child{&d, -1, place.row++}, place);
  }
}

/// A node's splits stand in the order of their rows: those of each task are counted first.
void FlatBatch::place(Workers& workers) {
  const int nodes = layout_.objectives().node + 1;
  const int tasks = (static_cast<int>(domains_.size()) + kDomains - 1) / kDomains;
  places_.assign(tasks, {0, std::vector<int>(nodes, 0)});
  std::vector<Place> counts = places_;
  workers.run(tasks, [&](int task, int) {
    for_children(task, [&](const Child& child, Place&) {
      ++counts[task].row;
      skip_splits(*child.domain, child.phase, counts[task].split);
    });
  });
  Place next{0, std::vector<int>(nodes, 0)};
  for (int task = 0; task < tasks; ++task) {
    places_[task] = next;
    next.row += counts[task].row;
    for (int v = 0; v < nodes; ++v) next.split[v] += counts[task].split[v];
  }
  layout_.shape_form(flat_.form32, next.row);
  layout_.shape_form(flat_.form64, next.row);
  flat_.slopes.resize(next.row * slopes_);
  flat_.has_slopes.resize(next.row);
  for (int v = 0; v < nodes; ++v) {
    auto& splits = flat_.splits[v];
    splits.row.resize(next.split[v]);
    splits.neuron.resize(next.split[v]);
    splits.sign.resize(next.split[v]);
    splits.beta.resize(next.split[v]);
  }
}

void FlatBatch::pack(Workers& workers, std::vector<Domain> domains) {
  domains_ = std::move(domains);
  place(workers);
  workers.run(static_cast<int>(places_.size()), [&](int task, int) {
    for_children(task, [&](const Child& child, Place& place) { pack_row(child, place); });
  });
}

void FlatBatch::pack_row(const Child& child, Place& place) {
  const Domain& d = *child.domain;
  layout_.put_form(flat_.form32, child.row, d);
  layout_.put_form(flat_.form64, child.row, d);
  const auto split = [&](int node, int neuron, float sign, float beta) {
    auto& splits = flat_.splits[node];
    const int at = place.split[node]++;
    splits.row[at] = child.row;
    splits.neuron[at] = neuron;
    splits.sign[at] = sign;
    splits.beta[at] = beta;
  };
  for (const Decision& s : d.decisions) split(s.node, s.neuron, s.sign, s.beta);
  if (child.phase != 0) split(d.split_node, d.split_neuron, child.phase, 0);
  std::uint16_t* slopes = flat_.slopes.data() + child.row * slopes_;
  flat_.has_slopes[child.row] = d.alpha.empty() ? 0 : 1;
  if (layout_.whole() && !d.alpha.empty()) {
    std::copy(d.alpha.begin(), d.alpha.end(), slopes);
    return;
  }
  std::fill(slopes, slopes + slopes_, std::uint16_t{0});
  if (d.alpha.empty()) return;
  std::size_t next = 0;
  for (int v : layout_.relus()) {
    layout_.for_each_free(flat_.form32.set(), v, child.row,
                          [&](int k, int, int) { slopes[k] = d.alpha[next++]; });
    slopes += layout_.free(v).size();
  }
}

Bounded FlatBatch::unpack(Workers& workers, const bound::DomainBounds& bounds) {
  std::vector<Bounded> parts(places_.size());
  workers.run(static_cast<int>(places_.size()), [&](int task, int) {
    for_children(task, [&](const Child& child, Place& place) {
      const int r = child.row;
      const double certainly =
          bounds.settled[r] ? certain(layout_, *child.domain, bounds.certain[r]) : -HUGE_VAL;
      if (certainly > 0) {
        skip_splits(*child.domain, child.phase, place.split);
      } else {
        Domain d = unpack_row(child, place);
        d.bound = bounds.settled[r] ? static_cast<float>(certainly) : bounds.bound[r];
        d.split_node = bounds.split_node[r];
        d.split_neuron = bounds.split_neuron[r];
        if (d.split_node < 0) {
          Batch<float> one = layout_.make<float>(1, false);
          layout_.put(one, 0, d);
          split_widest(layout_, one, 0, d);
        }
        parts[task].add(std::move(d));
      }
      if (child.phase <= 0) *child.domain = {};  // where no row has taken its memory over
    });
  });
  Bounded all;
  all.count = flat_.count();
  for (Bounded& part : parts) all.add(std::move(part));
  return all;
}

/// The last of a domain's rows takes its memory over.
Domain FlatBatch::unpack_row(const Child& child, Place& place) const {
  Domain& from = *child.domain;
  const std::uint16_t* slopes = flat_.slopes.data() + child.row * slopes_;
  Domain d;
  d.objective = from.objective;
  // Millions may be open: they take little more than they need.
  if (child.phase > 0) {
    d.lambda = from.lambda;
    d.decisions.reserve(room_for(from.decisions.size() + 1));
    d.decisions = from.decisions;
    if (!layout_.whole()) d.alpha.resize(from.alpha.size());
  } else {
    d.lambda = std::move(from.lambda);
    d.decisions = std::move(from.decisions);
    d.alpha = std::move(from.alpha);
    if (child.phase != 0 && d.decisions.size() == d.decisions.capacity()) {
      d.decisions.reserve(room_for(d.decisions.size() + 1));
    }
  }
  if (child.phase != 0) {
    d.decisions.push_back({from.split_node, from.split_neuron, child.phase, 0});
  }
  for (Decision& s : d.decisions) s.beta = flat_.splits[s.node].beta[place.split[s.node]++];
  if (layout_.whole()) {
    d.alpha.assign(slopes, slopes + slopes_);
    return d;
  }
  if (d.alpha.empty()) d.alpha.resize(reached(child.row));
  std::size_t next = 0;
  for (int v : layout_.relus()) {
    layout_.for_each_free(flat_.form32.set(), v, child.row,
                          [&](int k, int, int) { d.alpha[next++] = slopes[k]; });
    slopes += layout_.free(v).size();
  }
  return d;
}

std::size_t FlatBatch::reached(int row) const {
  std::size_t count = 0;
  for (int v : layout_.relus()) {
    layout_.for_each_free(flat_.form32.set(), v, row, [&](int, int, int) { ++count; });
  }
  return count;
}

}  // namespace coronet::search
