#include "search/flat_batch.h"

#include <algorithm>
#include <utility>

namespace coronet::search {

namespace {

/// Rows that a worker takes at a time.
constexpr int kRows = 256;

}  // namespace

template <class T>
template <class Fn>
void FlatBatch<T>::for_rows(Workers& workers, const Fn& fn) const {
  workers.run(static_cast<int>(places_.size()), [&](int task, int) {
    std::vector<int> places = places_[task];
    const int last = std::min((task + 1) * kRows, static_cast<int>(children_.size()));
    for (int r = task * kRows; r < last; ++r) fn(r, places);
  });
}

/// A node's splits stand in the order of their rows: those of each task are counted first.
template <class T>
void FlatBatch<T>::place_splits(Workers& workers) {
  const int nodes = layout_.objectives().node + 1;
  const int rows = static_cast<int>(children_.size());
  places_.assign((rows + kRows - 1) / kRows, std::vector<int>(nodes, 0));
  workers.run(static_cast<int>(places_.size()), [&](int task, int) {
    for (int r = task * kRows; r < std::min(rows, (task + 1) * kRows); ++r) {
      const Child& child = children_[r];
      for (const Decision& d : child.domain->decisions) ++places_[task][d.node];
      if (child.phase != 0) ++places_[task][child.domain->split_node];
    }
  });
  flat_.splits.resize(nodes);
  for (int v = 0; v < nodes; ++v) {
    int next = 0;
    for (std::vector<int>& places : places_) next += std::exchange(places[v], next);
    auto& splits = flat_.splits[v];
    splits.row.resize(next);
    splits.neuron.resize(next);
    splits.sign.resize(next);
    splits.beta.resize(next);
  }
}

template <class T>
void FlatBatch<T>::pack(Workers& workers, std::vector<Child> children) {
  children_ = std::move(children);
  slopes_ = 0;
  for (int v : layout_.relus()) slopes_ += layout_.free(v).size();
  layout_.shape_form(flat_.form, static_cast<int>(children_.size()));
  flat_.slopes.resize(children_.size() * slopes_);
  flat_.has_slopes.resize(children_.size());
  place_splits(workers);
  for_rows(workers, [&](int r, std::vector<int>& places) { pack_row(r, places); });
}

template <class T>
void FlatBatch<T>::pack_row(int r, std::vector<int>& places) {
  const Domain& d = *children_[r].domain;
  layout_.put_form(flat_.form, r, d);
  const auto split = [&](int node, int neuron, float sign, float beta) {
    auto& splits = flat_.splits[node];
    const int at = places[node]++;
    splits.row[at] = r;
    splits.neuron[at] = neuron;
    splits.sign[at] = static_cast<T>(sign);
    splits.beta[at] = static_cast<T>(beta);
  };
  for (const Decision& s : d.decisions) split(s.node, s.neuron, s.sign, s.beta);
  if (children_[r].phase != 0) split(d.split_node, d.split_neuron, children_[r].phase, 0);
  std::uint16_t* slopes = flat_.slopes.data() + r * slopes_;
  flat_.has_slopes[r] = d.alpha.empty() ? 0 : 1;
  if (layout_.whole() && !d.alpha.empty()) {
    std::copy(d.alpha.begin(), d.alpha.end(), slopes);
    return;
  }
  std::fill(slopes, slopes + slopes_, std::uint16_t{0});
  if (d.alpha.empty()) return;
  std::size_t next = 0;
  for (int v : layout_.relus()) {
    layout_.for_each_free(flat_.form.set(), v, r,
                          [&](int k, int, int) { slopes[k] = d.alpha[next++]; });
    slopes += layout_.free(v).size();
  }
}

template <class T>
std::vector<Domain> FlatBatch<T>::unpack(Workers& workers, const std::vector<float>& bound) const {
  std::vector<Domain> domains(children_.size());
  for_rows(workers,
           [&](int r, std::vector<int>& places) { domains[r] = unpack_row(r, places, bound[r]); });
  return domains;
}

template <class T>
Domain FlatBatch<T>::unpack_row(int r, std::vector<int>& places, float bound) const {
  const Domain& from = *children_[r].domain;
  Domain d;
  d.objective = from.objective;
  d.bound = bound;
  d.lambda = from.lambda;
  d.decisions.reserve(from.decisions.size() + 1);
  d.decisions = from.decisions;
  if (children_[r].phase != 0) {
    d.decisions.push_back({from.split_node, from.split_neuron, children_[r].phase, 0});
  }
  for (Decision& s : d.decisions) {
    s.beta = static_cast<float>(flat_.splits[s.node].beta[places[s.node]++]);
  }
  const std::uint16_t* slopes = flat_.slopes.data() + r * slopes_;
  if (layout_.whole()) {
    d.alpha.assign(slopes, slopes + slopes_);
    return d;
  }
  for (int v : layout_.relus()) {
    layout_.for_each_free(flat_.form.set(), v, r,
                          [&](int k, int, int) { d.alpha.push_back(slopes[k]); });
    slopes += layout_.free(v).size();
  }
  return d;
}

template class FlatBatch<float>;
template class FlatBatch<double>;

}  // namespace coronet::search
