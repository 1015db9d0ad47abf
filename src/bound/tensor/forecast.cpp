#include "bound/tensor/forecast.h"

#include <algorithm>
#include <map>
#include <memory>
#include <tuple>
#include <utility>
#include <variant>

#include "bound/counted_affine.h"
#include "bound/interval.h"
#include "bound/tensor/row_exchange.h"
#include "bound/tensor/share.h"
#include "bound/tensor/zones.h"
#include "graph/products.h"

namespace coronet::bound {

namespace {

using How = TensorTold::How;

/// What a group has said so far.
struct Said {
  explicit Said(const TensorGroup& group)
      : bytes(group.told_bytes()), collectives(group.collectives()), letters(group.letters()) {}
  std::uint64_t bytes, collectives, letters;
};

/// Who told what, by kind and node. What is noted within a note is not noted twice.
class Notes {
 public:
  /// Notes what the group says during fn().
  template <class Fn>
  void note(const TensorGroup& group, How how, int node, const Fn& fn) {
    const Said before(group);
    const TensorTold inner = all_;
    fn();
    const Said after(group);
    TensorTold more;
    more.bytes = after.bytes - before.bytes - (all_.bytes - inner.bytes);
    more.collectives =
        after.collectives - before.collectives - (all_.collectives - inner.collectives);
    more.letters = after.letters - before.letters - (all_.letters - inner.letters);
    add(more, all_);
    add(more, told_[{node, how}]);
  }
  [[nodiscard]] std::vector<TensorTold> list() const {
    std::vector<TensorTold> list;
    for (const auto& [key, told] : told_) {
      if (told.collectives == 0) continue;
      list.push_back(told);
      std::tie(list.back().node, list.back().how) = key;
    }
    return list;
  }

 private:
  static void add(const TensorTold& more, TensorTold& sum) {
    sum.bytes += more.bytes;
    sum.collectives += more.collectives;
    sum.letters += more.letters;
  }

  std::map<std::pair<int, How>, TensorTold> told_;
  TensorTold all_;
};

/// An operator of which is noted what it has the group say.
template <class T>
class NotedAffine final : public Affine<T> {
 public:
  NotedAffine(const Affine<T>& of, int node, const TensorGroup& group, Notes& notes)
      : of_(of), node_(node), group_(group), notes_(notes) {}

  bool windowed() const override { return of_.windowed(); }
  Extent reach(const Extent& out, int k) const override { return of_.reach(out, k); }
  void pull(const RowSet& rows, const T* a, const Extent& out, int k, T* u, const Extent& in,
            bool accumulate) const override {
    note(How::kPulled, [&] { of_.pull(rows, a, out, k, u, in, accumulate); });
  }
  bool pull_selection(int count, const int* neuron, const T* sign, T* u,
                      double* bias) const override {
    bool can = false;
    note(How::kPulled, [&] { can = of_.pull_selection(count, neuron, sign, u, bias); });
    return can;
  }
  void push(const RowSet& rows, const T* const* x, const Extent* const* in, T* y,
            const Extent& out) const override {
    note(How::kPushed, [&] { of_.push(rows, x, in, y, out); });
  }
  void bias(const RowSet& rows, const T* a, const Extent& out, double* bias) const override {
    of_.bias(rows, a, out, bias);
  }
  double bias_of(int) const override { return 0; }
  void apply(const double* const* u, double* y, Workers* workers) const override {
    note(How::kColumns, [&] { of_.apply(u, y, workers); });
  }
  void apply_abs(const double* const* u, double* y, Workers* workers) const override {
    note(How::kColumns, [&] { of_.apply_abs(u, y, workers); });
  }
  int terms() const override { return of_.terms(); }

 private:
  template <class Fn>
  void note(How how, const Fn& fn) const {
    notes_.note(group_, how, node_, fn);
  }

  const Affine<T>& of_;
  int node_;
  const TensorGroup& group_;
  Notes& notes_;
};

/// A thread's networks of the share, without numbers.
template <class T>
class Noted {
 public:
  Noted(const Share& share, TensorGroup& group, Notes& notes)
      : shared_(shared_network<T>(share, group, std::make_shared<HostRows<T>>(group),
                                  [&](int v) { return operator_of(share, v); })),
        share_(share),
        group_(group),
        notes_(notes) {}

  [[nodiscard]] Network<T> network() const {
    std::vector<char> counts;
    for (int v = 0; v < shared_.nodes(); ++v) counts.push_back(shared_.counts(v) ? 1 : 0);
    return Network<T>(
        share_.graph,
        [&](int v) -> std::shared_ptr<const Affine<T>> {
          if (shared_.affine(v) == nullptr) return nullptr;
          return std::make_shared<NotedAffine<T>>(*shared_.affine(v), v, group_, notes_);
        },
        &group_, std::move(counts));
  }

 private:
  static std::shared_ptr<const Affine<T>> operator_of(const Share& share, int v) {
    const Node& node = share.graph.nodes[v];
    std::vector<Shape> in;
    for (const int u : node.inputs) in.push_back(share.read(v, u));
    PackBudget none;
    auto of = make_affine<T>(node, in, none);
    if (of == nullptr) return nullptr;
    return std::make_shared<CountedAffine<T>>(std::move(of));
  }

  Network<T> shared_;
  const Share& share_;
  TensorGroup& group_;
  Notes& notes_;
};

struct Lane {
  Lane(const Share& share, const TensorToCome& run, Notes& notes)
      : group(share.rank, run.ranks),
        noted32(share, group, notes),
        noted64(share, group, notes),
        worker(share.graph, run.chunk_mib / run.ranks, noted32.network(), noted64.network()) {}

  TensorGroup group;
  Noted<float> noted32;
  Noted<double> noted64;
  RowForecast worker;
};

class Forecaster {
 public:
  Forecaster(const Graph& graph, const TensorToCome& run)
      : graph_(graph),
        run_(run),
        share_(share_in_sizes(graph, run.ranks, 0, first_zones(graph, run.zones))) {
    for (int i = 0; i < run.lanes; ++i) {
      lanes_.push_back(std::make_unique<Lane>(share_, run, notes_));
    }
  }

  TensorForecast run() {
    weights();
    intervals();
    if (run_.method != Method::kInterval) rows();
    bounds();
    for (const auto& lane : lanes_) {
      const MemoryUsage usage = lane->worker.usage();
      if (usage.total.most >= made_.lane.total.most) made_.lane = usage;
      made_.rooms += lane->group.bytes();
    }
    made_.told = notes_.list();
    return std::move(made_);
  }

 private:
  [[nodiscard]] TensorGroup& first() const { return lanes_.front()->group; }

  void weights() {
    // Each operator with weights has its share, in the same order.
    for_each_weight(share_.graph, [this](const Weight& weight) {
      made_.weights.push_back(weight.size() * (weight.single() ? sizeof(float) : sizeof(double)));
    });
    made_.kernels =
        kernel_bytes(share_.graph, run_.pack_bytes / static_cast<std::size_t>(run_.ranks), true,
                     [this](int v, int u) { return share_.read(v, u); });
    made_.root_bytes = root_bytes(share_.graph);
    for (const Node& node : graph_.nodes) {
      made_.bounds_bytes += 2 * sizeof(double) * static_cast<std::size_t>(node.shape.size());
    }
  }

  /// Of all nodes, with their magnitudes.
  void intervals() {
    const Network<double> net = lanes_.front()->noted64.network();
    Bounds bounds(share_.graph, 1);
    bounds.lo[0] = bounds.hi[0] = std::vector<double>(static_cast<std::size_t>(net.size(0)), 0.0);
    Magnitudes<> magnitudes;
    magnitudes.value.resize(share_.graph.nodes.size());
    magnitudes.affine.resize(share_.graph.nodes.size());
    for (int v = 1; v < net.nodes(); ++v) {
      interval_node(net, v, bounds, nullptr);
      add_magnitudes(net, bounds, v, magnitudes);
    }
    made_.interval_products = 3 * static_cast<double>(products(share_.graph));
  }

  void rows() {
    const Network<double> net = lanes_.front()->noted64.network();
    const bool alpha = run_.method == Method::kAlpha;
    const std::vector<char> by_rows = bounded_by_rows(net, true);
    for (int v = 0; v < net.nodes(); ++v) {
      if (by_rows[v] == 0 || share_.by_intervals[v] != 0) continue;
      list({v, 2 * share_.slice[v].whole().size(), true, false, alpha ? run_.iterations : 0, 1});
    }
    if (run_.forms == 0) return;
    list({share_.node.back(), run_.forms, false, run_.input_terms, alpha ? run_.form_iterations : 0,
          1});
  }

  /// As TensorRows deals its parts.
  void list(RowsToCome rows) {
    rows.hands = run_.lanes * run_.groups;
    const int each = lanes_.front()->worker.part(rows);
    const int parts = (rows.count + each - 1) / each;
    double bounded = 0;
    for (int lane = 0; lane < run_.lanes; ++lane) {
      for (int k = lane * run_.groups; k < parts; k += run_.lanes * run_.groups) {
        const int count = std::min(each, rows.count - k * each);
        // What the operators say is theirs.
        notes_.note(lanes_[lane]->group, How::kBounds, rows.node,
                    [&] { lanes_[lane]->worker.bound_part(rows, count); });
        bounded += count;
      }
    }
    made_.work.add(lanes_.front()->worker.work(rows), bounded);
  }

  /// Every rank has those of the whole graph in the end.
  void bounds() {
    for (const int u : share_.node) {
      const Slice& slice = share_.slice[u];
      if (slice.everywhere()) continue;
      notes_.note(first(), How::kColumns, u, [&] {
        for (int side = 0; side < 2; ++side) {
          first().gather<double>(static_cast<std::size_t>(slice.pixels()), slice.each(), nullptr,
                                 nullptr);
        }
      });
    }
  }

  const Graph& graph_;
  const TensorToCome run_;
  const Share share_;
  Notes notes_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  TensorForecast made_;
};

}  // namespace

TensorForecast forecast_tensor(const Graph& graph, const TensorToCome& run) {
  return Forecaster(graph, run).run();
}

}  // namespace coronet::bound
